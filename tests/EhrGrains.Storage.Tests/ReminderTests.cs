using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Storage.Tests;

public sealed class PostgreSqlReminderTests(PostgreSqlFixture fixture) : ReminderTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteReminderTests(SqliteFixture fixture) : ReminderTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>The reminder table of a real silo, over our statements.</summary>
public abstract class ReminderTests(DatabaseFixture fixture) : IAsyncLifetime
{
    private static readonly DateTime Start = new(2026, 11, 23, 10, 0, 0, DateTimeKind.Utc);

    private IReminderTable table = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => table = (await fixture.GetSiloAsync()).GetRequiredService<IReminderTable>();

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_reminder_is_read_back_by_grain_by_name_and_by_range()
    {
        var grain = Grain("tenant-1/backend");
        await table.UpsertRow(Entry(grain, "refresh"), Cancelled);
        await table.UpsertRow(Entry(grain, "sweep"), Cancelled);

        (await table.ReadRows(grain, Cancelled)).Reminders.Select(r => r.ReminderName).Order().ShouldBe(["refresh", "sweep"]);
        var row = (await table.ReadRow(grain, "refresh", Cancelled)).ShouldNotBeNull();
        row.GrainId.ShouldBe(grain);
        row.StartAt.ShouldBe(Start);
        row.Period.ShouldBe(TimeSpan.FromDays(30));
        (await table.ReadRow(grain, "other", Cancelled)).ShouldBeNull();
        (await table.ReadRows(0, 0, Cancelled)).Reminders.Count(r => r.GrainId == grain).ShouldBe(2);
    }

    [Fact]
    public async Task Every_reminder_lies_in_exactly_one_of_two_halves_of_the_ring_wherever_it_is_cut()
    {
        var grains = Enumerable.Range(0, 40).Select(i => Grain($"ring-{i}")).ToArray();
        foreach (var grain in grains)
        {
            await table.UpsertRow(Entry(grain, "ring"), Cancelled);
        }

        var (first, second) = (grains[0].GetUniformHashCode(), grains[1].GetUniformHashCode());
        foreach (var (cut, end) in ((uint, uint)[])
            [(0, 0x8000_0000), (0x7FFF_FFFF, 0x8000_0001), (0xF000_0000, 0x1000_0000), (first, second)])
        {
            var one = await InRangeAsync(cut, end);
            var other = await InRangeAsync(end, cut);

            one.Concat(other).Order().ShouldBe(grains.Order());
        }

        async Task<GrainId[]> InRangeAsync(uint begin, uint end) =>
            [.. (await table.ReadRows(begin, end, Cancelled)).Reminders.Where(r => r.ReminderName == "ring").Select(r => r.GrainId)];
    }

    [Fact]
    public async Task A_reminder_is_removed_only_by_who_knows_its_version()
    {
        var grain = Grain("versioned");
        var old = await table.UpsertRow(Entry(grain, "r"), Cancelled);
        var current = await table.UpsertRow(Entry(grain, "r"), Cancelled);

        current.ShouldNotBe(old);
        (await table.RemoveRow(grain, "r", old!, Cancelled)).ShouldBeFalse();
        (await table.RemoveRow(grain, "r", current!, Cancelled)).ShouldBeTrue();
        (await table.RemoveRow(grain, "r", current!, Cancelled)).ShouldBeFalse();
        (await table.ReadRow(grain, "r", Cancelled)).ShouldBeNull();
    }

    private static GrainId Grain(string key) => GrainId.Create("test.reminded", key);

    private static ReminderEntry Entry(GrainId grain, string name) =>
        new() { GrainId = grain, ReminderName = name, StartAt = Start, Period = TimeSpan.FromDays(30) };
}

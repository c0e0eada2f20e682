using System.Security.Cryptography;
using EhrGrains.Storage.GrainStorage;
using EhrGrains.Storage.Keys;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Storage;

namespace EhrGrains.Storage.Tests;

public sealed class PostgreSqlGrainStorageTests(PostgreSqlFixture fixture) : GrainStorageTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteGrainStorageTests(SqliteFixture fixture) : GrainStorageTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>What a grain may expect of its storage, asked of the provider of a real silo.</summary>
public abstract class GrainStorageTests(DatabaseFixture fixture) : IAsyncLifetime
{
    private static readonly GrainType Notes = GrainType.Create("test.notes");

    private TestDatabase test = null!;
    private IServiceProvider silo = null!;
    private IGrainStorage storage = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        test = await fixture.GetAsync();
        silo = await fixture.GetSiloAsync();
        storage = silo.GetRequiredKeyedService<IGrainStorage>(EhrGrainsStorage.Name);
    }

    public ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task State_is_read_back_as_it_was_written()
    {
        var grain = Grain("read-back/1");
        await WriteAsync(grain, new Note("first"));

        var state = await ReadAsync(grain);

        state.State.ShouldBe(new Note("first"));
        state.RecordExists.ShouldBeTrue();
        state.State = new Note("second");
        await storage.WriteStateAsync("state", grain, state, Cancelled);
        (await ReadAsync(grain)).State.ShouldBe(new Note("second"));
    }

    [Fact]
    public async Task A_grain_without_state_starts_empty()
    {
        var state = await ReadAsync(Grain("empty/1"));

        state.State.ShouldBe(new Note());
        state.RecordExists.ShouldBeFalse();
        state.ETag.ShouldBeNull();
    }

    [Fact]
    public async Task Of_two_first_writers_one_wins_and_the_other_is_told()
    {
        for (var round = 0; round < 10; round++)
        {
            var grain = Grain($"race/{round}");
            var writers = Enumerable.Range(0, 4).Select(i => Record.ExceptionAsync(() => WriteAsync(grain, new Note($"{i}"))).AsTask());

            var failures = await Task.WhenAll(writers);

            failures.Count(f => f is null).ShouldBe(1);
            failures.Count(f => f is InconsistentStateException).ShouldBe(3);
            (await test.LookAsync($"SELECT version FROM orleans_storage WHERE key_text = 'k|race/{round}'")).ShouldBe(["1"]);
        }
    }

    [Fact]
    public async Task A_writer_with_an_old_version_is_told()
    {
        var grain = Grain("stale/1");
        await WriteAsync(grain, new Note("first"));
        var slow = await ReadAsync(grain);
        var fast = await ReadAsync(grain);
        fast.State = new Note("fast");
        await storage.WriteStateAsync("state", grain, fast, Cancelled);

        slow.State = new Note("slow");
        await Should.ThrowAsync<InconsistentStateException>(() => storage.WriteStateAsync("state", grain, slow, Cancelled));
        await Should.ThrowAsync<InconsistentStateException>(() => storage.ClearStateAsync("state", grain, slow, Cancelled));

        (await ReadAsync(grain)).State.ShouldBe(new Note("fast"));
    }

    [Fact]
    public async Task Clearing_removes_the_row_and_the_grain_can_write_again()
    {
        var grain = Grain("cleared/1");
        var state = await WriteAsync(grain, new Note("first"));

        await storage.ClearStateAsync("state", grain, state, Cancelled);

        state.RecordExists.ShouldBeFalse();
        state.State.ShouldBe(new Note());
        (await test.LookAsync("SELECT version FROM orleans_storage WHERE key_text = 'k|cleared/1'")).ShouldBeEmpty();
        state.State = new Note("again");
        await storage.WriteStateAsync("state", grain, state, Cancelled);
        (await ReadAsync(grain)).State.ShouldBe(new Note("again"));
    }

    [Theory]
    [InlineData("00123", "123", "0123", "7B")]
    [InlineData("ab", "AB", "0ab", "000000ab")]
    [InlineData("c56a4180-65aa-42ec-a945-5fd21dec0538", "C56A418065AA42ECA9455FD21DEC0538", "c56a418065aa42eca9455fd21dec0538", "c56a4180")]
    [InlineData("12+x", "012+x", "12", "x")]
    public async Task Keys_that_look_like_numbers_or_guids_do_not_meet(params string[] keys)
    {
        foreach (var key in keys)
        {
            await WriteAsync(Grain(key), new Note(key));
        }

        foreach (var key in keys)
        {
            (await ReadAsync(Grain(key))).State.ShouldBe(new Note(key));
        }
    }

    [Fact]
    public async Task Types_and_state_names_with_the_same_key_do_not_meet()
    {
        var (note, other) = (Grain("same/1"), GrainId.Create("test.other", "same/1"));
        await WriteAsync(note, new Note("note"));
        await WriteAsync(other, new Note("other"));
        var second = new GrainState<Note>(new Note("second state"));
        await storage.WriteStateAsync("second", note, second, Cancelled);

        (await ReadAsync(note)).State.ShouldBe(new Note("note"));
        (await ReadAsync(other)).State.ShouldBe(new Note("other"));
    }

    [Fact]
    public async Task A_row_that_was_moved_to_another_key_is_refused()
    {
        await WriteAsync(Grain("moved/1"), new Note("of patient 1"));

        await test.TamperAsync("UPDATE orleans_storage SET key_text = 'k|moved/2' WHERE key_text = 'k|moved/1'");

        await Should.ThrowAsync<CryptographicException>(() => ReadAsync(Grain("moved/2")));
    }

    [Fact]
    public async Task A_row_that_was_moved_to_another_type_is_refused()
    {
        await WriteAsync(Grain("retyped/1"), new Note("of a note"));

        await test.TamperAsync("UPDATE orleans_storage SET grain_type = 'test.other/state' WHERE key_text = 'k|retyped/1'");

        await Should.ThrowAsync<CryptographicException>(() => ReadAsync(GrainId.Create("test.other", "retyped/1")));
    }

    [Fact]
    public async Task A_payload_of_an_older_version_is_refused()
    {
        var grain = Grain("rolled-back/1");
        var state = await WriteAsync(grain, new Note("old grant"));
        var old = (await test.LookAsync($"SELECT {test.Hex("payload")} FROM orleans_storage WHERE key_text = 'k|rolled-back/1'"))[0]!;
        state.State = new Note("grant revoked");
        await storage.WriteStateAsync("state", grain, state, Cancelled);

        await test.TamperAsync(
            $"UPDATE orleans_storage SET payload = {test.Literal(Convert.FromHexString(old))} WHERE key_text = 'k|rolled-back/1'");

        await Should.ThrowAsync<CryptographicException>(() => ReadAsync(grain));
    }

    [Fact]
    public async Task A_flipped_bit_is_refused_wherever_it_is()
    {
        var grain = Grain("flipped/1");
        await WriteAsync(grain, new Note("x"));
        var hex = (await test.LookAsync($"SELECT {test.Hex("payload")} FROM orleans_storage WHERE key_text = 'k|flipped/1'"))[0]!;
        for (var position = 0; position < hex.Length / 2; position++)
        {
            var payload = Convert.FromHexString(hex);
            payload[position] ^= 1;
            await test.TamperAsync($"UPDATE orleans_storage SET payload = {test.Literal(payload)} WHERE key_text = 'k|flipped/1'");

            await Should.ThrowAsync<CryptographicException>(() => ReadAsync(grain), $"at {position}");
        }
    }

    [Fact]
    public async Task State_of_a_tenant_is_gone_with_its_keys_and_state_of_apps_is_not()
    {
        await WriteAsync(Grain("shredded/1"), new Note("x"));
        await WriteAsync(Grain("~app/kept"), new Note("kept"));

        await silo.GetRequiredService<KeyRing>().DestroyAsync("shredded", Cancelled);

        await Should.ThrowAsync<TenantKeyDestroyedException>(() => ReadAsync(Grain("shredded/1")));
        (await ReadAsync(Grain("~app/kept"))).State.ShouldBe(new Note("kept"));
    }

    private static GrainId Grain(string key) => GrainId.Create(Notes, IdSpan.Create(key));

    private async Task<GrainState<Note>> WriteAsync(GrainId grain, Note note)
    {
        var state = new GrainState<Note>(note);
        await storage.WriteStateAsync("state", grain, state, Cancelled);
        return state;
    }

    private async Task<GrainState<Note>> ReadAsync(GrainId grain)
    {
        var state = new GrainState<Note>();
        await storage.ReadStateAsync("state", grain, state, Cancelled);
        return state;
    }
}

[GenerateSerializer, Immutable, Alias("test.Note")]
public sealed record Note
{
    public Note()
    {
    }

    public Note(string text) => Text = text;

    [Id(0)]
    public string? Text { get; init; }
}

using CsCheck;
using EhrGrains.Contracts.Records;
using EhrGrains.Storage.Journal;

namespace EhrGrains.Grains.Tests.Records;

/// <summary>
/// The law of the record (I1, I2): however the messages of a feed are cut into batches, whichever silo processes them, whatever is done
/// again after a crash, the records are those of one message after the other.
/// </summary>
public sealed class BarrierLawTests(SqliteGrainCluster fixture) : IClassFixture<SqliteGrainCluster>
{
    private const int Patients = 8;
    private readonly GrainCluster cluster = fixture.OrSkip();

    // What happens, to whom, and who else is in it.
    private static readonly Gen<(int What, int Whom, int Other, int Visit)[]> AnyHistory =
        Gen.Select(Gen.Int[0, 16], Gen.Int[0, Patients - 1], Gen.Int[0, Patients - 1], Gen.Int[0, 3]).Array[10, 40];

    // Where batches end, where a crash makes one be done again, and by whom.
    private static readonly Gen<(int Length, int Lost, int Silo)[]> AnyWeather =
        Gen.Select(Gen.Int[1, 12], Gen.Int[0, 8], Gen.Int[0, 1]).Array[40];

    private static readonly PatientId[] All = [.. Enumerable.Range(0, Patients).SelectMany(i => new[] { RecordSite.Of($"{i}"), RecordSite.Of($"new{i}") })];

    [Fact]
    public async Task Batches_crashes_and_repetitions_leave_the_charts_of_serial_processing() =>
        await Gen.Select(AnyHistory, AnyWeather).SampleAsync(
            async (history, weather) =>
            {
                var entries = Messages(history);
                var (expected, actual) = (new RecordSite(cluster), new RecordSite(cluster));
                await SeriallyAsync(expected, entries);

                var position = 0;
                for (var batch = 0; position < entries.Length; batch++)
                {
                    var (length, lost, silo) = weather[batch % weather.Length];
                    JournalEntry[] taken = [.. entries.Skip(position).Take(length)];
                    if (lost > 0)
                    {
                        // The silo ends in the middle of a step, before the position is committed: another one begins it again.
                        await actual.StepAsync([.. taken.Take(lost)], 1 - silo);
                    }

                    position += (await actual.StepAsync(taken, silo)).Applied;
                }

                (await actual.DescribeAsync(All)).ShouldBe(await expected.DescribeAsync(All));
            },
            iter: 15,
            threads: 1);

    /// <summary>
    /// The test's own test: the same histories, each patient's messages in order and the patients one after the other, which without
    /// merges is as good an order as any.
    /// </summary>
    [Fact]
    public async Task Without_barriers_the_charts_differ()
    {
        (int What, int Whom, int Other, int Visit)[] history = [(0, 0, 0, 0), (0, 1, 0, 1), (9, 1, 0, 0), (0, 0, 0, 2), (0, 2, 0, 3), (10, 2, 0, 0), (1, 0, 0, 0)];
        var entries = Messages(history);
        var (expected, unordered) = (new RecordSite(cluster), new RecordSite(cluster));
        await SeriallyAsync(expected, entries);
        foreach (var lane in entries.Zip(history).GroupBy(pair => pair.Second.Whom, pair => pair.First).OrderBy(lane => lane.Key))
        {
            await unordered.ApplyAsync([.. lane]);
        }

        (await unordered.DescribeAsync(All)).ShouldNotBe(await expected.DescribeAsync(All));
    }

    private static async Task SeriallyAsync(RecordSite site, JournalEntry[] entries)
    {
        foreach (var entry in entries)
        {
            (await site.ApplyAsync([entry])).Applied.ShouldBe(1);
        }
    }

    private static JournalEntry[] Messages((int What, int Whom, int Other, int Visit)[] history) => RecordSite.Entries(history.Select((happened, i) =>
    {
        var (what, whom, other, visit) = happened;
        var (mrn, family) = ($"{whom}", $"Name{i}");
        return what switch
        {
            <= 3 => RecordSite.Adt("A01", mrn, family, $"V{whom}-{visit}", account: $"A{whom}-{visit}"),
            <= 6 => RecordSite.Adt("A08", mrn, family, more: $"AL1|1|DA|C{visit}^Pollen^L\r"),
            7 => RecordSite.Adt("A08", $"new{whom}", family),
            8 => RecordSite.Adt("A47", $"new{whom}", family, prior: $"{mrn}^^^HOSP^MR"),
            9 => RecordSite.Adt("A40", mrn, family, prior: $"{other}^^^HOSP^MR"),
            10 => RecordSite.Adt("A45", mrn, family, $"V{other}-{visit}", prior: $"{other}^^^HOSP^MR"),
            11 => RecordSite.Adt("A40", mrn, family, prior: $"new{other}^^^HOSP^MR"),
            12 => RecordSite.Adt("A42", mrn, family, $"V{whom}-{other % 4}", prior: $"{mrn}^^^HOSP^MR||||V{whom}-{visit}^^^HOSP^VN"),
            13 => RecordSite.Adt("A50", mrn, family, $"W{whom}-{visit}", prior: $"{mrn}^^^HOSP^MR||||V{whom}-{visit}^^^HOSP^VN"),
            14 => RecordSite.Adt("A41", mrn, family, prior: $"{mrn}^^^HOSP^MR||A{whom}-{visit}^^^HOSP^AN", account: $"A{whom}-{other % 4}"),
            15 => RecordSite.Adt("A43", mrn, family, prior: $"{other}^^^HOSP^MR"),
            _ => RecordSite.Adt(visit == 0 ? "A29" : "A28", mrn, family),
        };
    }));
}

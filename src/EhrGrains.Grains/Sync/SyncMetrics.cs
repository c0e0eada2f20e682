using System.Diagnostics.Metrics;

namespace EhrGrains.Grains.Sync;

/// <summary>What copying measures. Tags are bounded words; never a tenant or a patient.</summary>
internal sealed class SyncMetrics
{
    private readonly Histogram<double> turns;
    private readonly Histogram<double> ages;
    private readonly Counter<long> ends;
    private readonly Counter<long> hints;
    private readonly Counter<long> merges;

    public SyncMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("EhrGrains");
        turns = meter.CreateHistogram<double>("ehrgrains.sync.turn.duration", "s", "Turns of patients' runs, by how they ended.");
        ages = meter.CreateHistogram<double>("ehrgrains.sync.data_age", "s", "Age of a patient's copy when it was renewed.");
        ends = meter.CreateCounter<long>("ehrgrains.sync.runs", "{run}", "Runs that came to their end, by whether the copy is complete.");
        hints = meter.CreateCounter<long>("ehrgrains.sync.hints", "{hint}", "Hints that something happened at a hospital to a patient that is copied.");
        merges = meter.CreateCounter<long>("ehrgrains.sync.merges", "{patient}", "Copies that became a part of another's because the hospital merged the patients.");
    }

    internal void Turn(TimeSpan duration, RunEnd end) => turns.Record(
        duration.TotalSeconds,
        new KeyValuePair<string, object?>("end", end switch { RunEnd.Over => "over", RunEnd.More => "more", RunEnd.Merged => "merged", _ => "down" }));

    internal void Ended(bool isComplete, TimeSpan? age)
    {
        ends.Add(1, new KeyValuePair<string, object?>("outcome", isComplete ? "complete" : "incomplete"));
        if (age is { } old)
        {
            ages.Record(old.TotalSeconds);
        }
    }

    internal void Merged() => merges.Add(1);

    internal void Hinted(int patients) => hints.Add(patients);
}

using System.Diagnostics.Metrics;

namespace EhrGrains.Storage;

/// <summary>What this project measures.</summary>
internal sealed class StorageMetrics
{
    private readonly Histogram<double> auditAppend;
    private readonly Histogram<int> auditBatch;

    public StorageMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("EhrGrains");
        auditAppend = meter.CreateHistogram<double>(
            "ehrgrains.audit.append.duration", "s", "From the call to the commit of an audit row, or to giving up.");
        auditBatch = meter.CreateHistogram<int>("ehrgrains.audit.batch.rows", "{row}", "Audit rows in one commit.");
    }

    /// <param name="duration">How long.</param>
    /// <param name="outcome">committed, failed, timeout or queue_full.</param>
    internal void AuditAppended(TimeSpan duration, string outcome) =>
        auditAppend.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));

    internal void AuditBatchWritten(int rows) => auditBatch.Record(rows);
}

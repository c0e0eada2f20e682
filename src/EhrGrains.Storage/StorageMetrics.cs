using System.Diagnostics.Metrics;

namespace EhrGrains.Storage;

/// <summary>What this project measures.</summary>
internal sealed class StorageMetrics
{
    private readonly Histogram<double> auditAppend;
    private readonly Histogram<int> auditBatch;
    private readonly Histogram<double> journalAppend;
    private readonly Histogram<int> journalBatch;
    private readonly Histogram<double> recordCommit;
    private readonly Histogram<int> recordBatch;

    public StorageMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("EhrGrains");
        auditAppend = meter.CreateHistogram<double>(
            "ehrgrains.audit.append.duration", "s", "From the call to the commit of an audit row, or to giving up.");
        auditBatch = meter.CreateHistogram<int>("ehrgrains.audit.batch.rows", "{row}", "Audit rows in one commit.");
        journalAppend = meter.CreateHistogram<double>(
            "ehrgrains.journal.append.duration", "s", "From the call to the commit of a message, or to giving up.");
        journalBatch = meter.CreateHistogram<int>("ehrgrains.journal.batch.rows", "{row}", "Messages in one commit.");
        recordCommit = meter.CreateHistogram<double>(
            "ehrgrains.record.commit.duration", "s", "From the call to the commit of a record's change, or to giving up.");
        recordBatch = meter.CreateHistogram<int>("ehrgrains.record.batch.commits", "{commit}", "Changes of records in one transaction.");
    }

    /// <param name="duration">How long.</param>
    /// <param name="outcome">committed, failed, timeout or queue_full.</param>
    internal void AuditAppended(TimeSpan duration, string outcome) =>
        auditAppend.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));

    internal void AuditBatchWritten(int rows) => auditBatch.Record(rows);

    /// <param name="duration">How long.</param>
    /// <param name="outcome">A disposition, or failed, unavailable, timeout or queue_full.</param>
    internal void JournalAppended(TimeSpan duration, string outcome) =>
        journalAppend.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));

    internal void JournalBatchWritten(int rows) => journalBatch.Record(rows);

    /// <param name="duration">How long.</param>
    /// <param name="outcome">committed, fenced, failed, timeout or queue_full.</param>
    internal void RecordCommitted(TimeSpan duration, string outcome) =>
        recordCommit.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));

    internal void RecordBatchWritten(int commits) => recordBatch.Record(commits);
}

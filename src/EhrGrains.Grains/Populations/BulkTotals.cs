using EhrGrains.Connect.Bulk;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Storage.Populations;

namespace EhrGrains.Grains.Populations;

/// <summary>What the files of an export add up to. Pure.</summary>
internal static class BulkTotals
{
    /// <summary>Why an export whose files are all read is not complete; null: it is.</summary>
    internal static Problem? Judge(IReadOnlyList<BulkFileTotals> totals)
    {
        var missing = totals.Where(total => total.State == BulkFileState.Read && total.Said > total.Counts.Fetched).ToArray();
        var errors = totals.Where(IsError).Sum(total => total.Counts.Quarantined);
        var quarantined = totals.Where(total => !IsError(total)).Sum(total => total.Counts.Quarantined);
        return totals.Any(total => total.State == BulkFileState.GivenUp) ? BulkProblems.FilesGivenUp
            : missing.Length > 0 ? BulkProblems.Missing(missing.Sum(total => total.Said!.Value - total.Counts.Fetched), missing.Select(total => total.Type))
            : errors > 0 ? BulkProblems.Errors(errors)
            : quarantined > 0 ? BulkProblems.Quarantined(quarantined)
            : null;
    }

    internal static BulkStatus Status(BulkJob job, IReadOnlyList<BulkFileTotals> totals) => new()
    {
        Job = job.Number,
        Request = job.Request,
        State = job.State,
        RequestedAt = job.RequestedAt,
        EndedAt = job.EndedAt,
        TransactionTime = job.TransactionTime,
        NextAskAt = job.IsUnderWay ? job.NextAskAt : null,
        Percent = job.State == BulkState.Preparing ? job.Percent : null,
        Problem = job.Problem,
        Files = totals.Sum(total => total.Files),
        FilesRead = totals.Where(total => total.State == BulkFileState.Read).Sum(total => total.Files),
        Bytes = totals.Sum(total => total.Bytes),
        Types =
        [
            .. totals.GroupBy(total => total.Type, StringComparer.Ordinal).OrderBy(of => of.Key, StringComparer.Ordinal).Select(of => new BulkTypeCounts(
                of.Key,
                of.Any(total => total.Said is null) ? null : of.Sum(total => total.Said),
                of.Sum(total => total.Counts.Fetched),
                of.Sum(total => total.Counts.Stored),
                of.Sum(total => total.Counts.Unchanged),
                of.Sum(total => total.Counts.Deleted),
                of.Sum(total => total.Counts.NotEnrolled),
                of.Sum(total => total.Counts.NotCopied),
                of.Sum(total => total.Counts.Quarantined))),
        ],
    };

    private static bool IsError(BulkFileTotals total) => total.Kind == (int)BulkFileKind.Error;
}

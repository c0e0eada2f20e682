using System.Data.Common;
using System.Globalization;
using System.Text;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Populations;

/// <summary>
/// The files of bulk exports and how far each was read. Who reads takes the job's epoch: what an earlier one still does has no effect (I3).
/// Thread-safe.
/// </summary>
public sealed class BulkFileTable(Database database, KeyRing keys)
{
    private const string Columns =
        "number, kind, type, url, said, state, read_bytes, etag, fetched, stored, unchanged, deleted, not_enrolled, not_copied, quarantined, problem";

    /// <summary>Enters the files of a manifest, in place of files that were not read to their end.</summary>
    /// <returns>False: another has taken the epoch, and nothing was changed.</returns>
    public async Task<bool> ReplaceOpenAsync(BulkJobKey job, IReadOnlyList<StoredBulkFile> files, CancellationToken cancellationToken)
    {
        var set = new RowSet(
            "tenant_id text, cohort text, job bigint, number bigint, epoch bigint, kind bigint, type text, url bytea, said bigint, state bigint, "
            + "read_bytes bigint, fetched bigint, stored bigint, unchanged bigint, deleted bigint, not_enrolled bigint, not_copied bigint, quarantined bigint");
        // Sealed before the transaction: sealing may have to fetch the tenant's key, and SQLite has one writer.
        var number = (await database.ReadAsync(TenantScope.Of(job.Tenant), Last(job), r => r.GetInt64(0), cancellationToken)).Single();
        foreach (var file in files)
        {
            number++;
            var url = await keys.SealAsync(job.Tenant.Value, KeyClass.Id, Encoding.UTF8.GetBytes(file.Url), Place(job, number), cancellationToken);
            set.Add(
                job.Tenant.Value, job.Cohort.Value, (long)job.Job, number, job.Epoch, (long)file.Kind, file.Type, url, file.Said, 0L,
                0L, 0L, 0L, 0L, 0L, 0L, 0L, 0L);
        }

        await using var session = await database.BeginAsync(TenantScope.Of(job.Tenant), cancellationToken);
        if ((await session.ReadAsync([Last(job)], r => r.GetInt64(1), cancellationToken)).Single() > job.Epoch)
        {
            return false;
        }

        await session.CommitAsync(
            [
                Of("DELETE FROM bulk_files WHERE tenant_id = $1 AND cohort = $2 AND job = $3 AND state = 0", job),
                Of("DELETE FROM bulk_files WHERE tenant_id = $1 AND cohort = $2 AND job < $3", job),
                .. set.InsertInto(database.Kind, "bulk_files"),
            ],
            cancellationToken);
        return true;
    }

    /// <summary>Makes the files those of this epoch, unless a later one has them.</summary>
    public Task ClaimAsync(BulkJobKey job, CancellationToken cancellationToken) => database.ExecuteAsync(
        TenantScope.Of(job.Tenant),
        [Of("UPDATE bulk_files SET epoch = $4 WHERE tenant_id = $1 AND cohort = $2 AND job = $3 AND epoch < $4", job).With(job.Epoch)],
        cancellationToken);

    /// <summary>The files that are not read to their end, Patients first: who is enrolled is known then.</summary>
    public async Task<IReadOnlyList<StoredBulkFile>> OpenAsync(BulkJobKey job, int countMax, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.Of(job.Tenant),
            Of(
                $"""
                SELECT {Columns} FROM bulk_files WHERE tenant_id = $1 AND cohort = $2 AND job = $3 AND state = 0
                ORDER BY CASE WHEN type = 'Patient' THEN 0 ELSE 1 END, kind, number LIMIT $4
                """,
                job).With(countMax),
            r => (File: Read(r), Sealed: (byte[])r.GetValue(3)),
            cancellationToken);
        var files = new List<StoredBulkFile>(rows.Count);
        foreach (var (file, url) in rows)
        {
            var opened = await keys.OpenAsync(job.Tenant.Value, KeyClass.Id, url, Place(job, file.Number), cancellationToken);
            files.Add(file with { Url = Encoding.UTF8.GetString(opened) });
        }

        return files;
    }

    /// <summary>Commits how far a file was read, after what was read is committed.</summary>
    /// <returns>False: another has taken the epoch, and nothing was changed.</returns>
    public async Task<bool> CommitAsync(BulkJobKey job, StoredBulkFile file, CancellationToken cancellationToken) =>
        await database.ExecuteAsync(
            TenantScope.Of(job.Tenant),
            [
                Of(
                    """
                    UPDATE bulk_files SET type = $6, state = $7, read_bytes = $8, etag = $9, fetched = $10, stored = $11, unchanged = $12, deleted = $13,
                      not_enrolled = $14, not_copied = $15, quarantined = $16, problem = $17
                    WHERE tenant_id = $1 AND cohort = $2 AND job = $3 AND epoch = $4 AND number = $5
                    """,
                    job)
                    .With(job.Epoch).With(file.Number).With(file.Type).With((long)file.State).With(file.ReadBytes).With(file.ETag)
                    .With(file.Counts.Fetched).With(file.Counts.Stored).With(file.Counts.Unchanged).With(file.Counts.Deleted)
                    .With(file.Counts.NotEnrolled).With(file.Counts.NotCopied).With(file.Counts.Quarantined).With(file.Problem),
            ],
            cancellationToken) > 0;

    /// <summary>All files of a job added up, by kind, type and state.</summary>
    public async Task<IReadOnlyList<BulkFileTotals>> TotalsAsync(BulkJobKey job, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(job.Tenant),
            Of(
                """
                SELECT kind, type, state, count(*), count(said), sum(said), sum(read_bytes), sum(fetched), sum(stored), sum(unchanged), sum(deleted),
                  sum(not_enrolled), sum(not_copied), sum(quarantined), min(problem)
                FROM bulk_files WHERE tenant_id = $1 AND cohort = $2 AND job = $3 GROUP BY kind, type, state ORDER BY kind, type, state
                """,
                job),
            r => new BulkFileTotals(
                (int)r.GetInt64(0), r.GetString(1), (BulkFileState)r.GetInt64(2), (int)r.GetInt64(3),
                r.GetInt64(3) == r.GetInt64(4) ? Sum(r, 5) : null, Sum(r, 6),
                new BulkFileCounts(Sum(r, 7), Sum(r, 8), Sum(r, 9), Sum(r, 10), Sum(r, 11), Sum(r, 12), Sum(r, 13)),
                r.IsDBNull(14) ? null : r.GetString(14)),
            cancellationToken);

    private static Statement Last(BulkJobKey job) =>
        Of("SELECT coalesce(max(number), 0), coalesce(max(epoch), 0) FROM bulk_files WHERE tenant_id = $1 AND cohort = $2 AND job = $3", job);

    // PostgreSQL sums bigint to numeric.
    private static long Sum(DbDataReader r, int column) => Convert.ToInt64(r.GetValue(column), CultureInfo.InvariantCulture);

    private static StoredBulkFile Read(DbDataReader r) => new()
    {
        Number = r.GetInt64(0),
        Kind = (int)r.GetInt64(1),
        Type = r.GetString(2),
        Url = "",
        Said = r.IsDBNull(4) ? null : r.GetInt64(4),
        State = (BulkFileState)r.GetInt64(5),
        ReadBytes = r.GetInt64(6),
        ETag = r.IsDBNull(7) ? null : r.GetString(7),
        Counts = new BulkFileCounts(
            r.GetInt64(8), r.GetInt64(9), r.GetInt64(10), r.GetInt64(11), r.GetInt64(12), r.GetInt64(13), r.GetInt64(14)),
        Problem = r.IsDBNull(15) ? null : r.GetString(15),
    };

    private static Statement Of(string sql, BulkJobKey job) => new Statement(sql).With(job.Tenant.Value).With(job.Cohort.Value).With(job.Job);

    private static byte[] Place(BulkJobKey job, long number) =>
        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"bulk_file\0{job.Cohort.Value}\0{job.Job}\0{number}"));
}

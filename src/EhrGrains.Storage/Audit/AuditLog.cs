using System.Buffers.Binary;
using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace EhrGrains.Storage.Audit;

/// <summary>
/// The audit trail (I5): append-only, one hash chain per tenant, free of PHI. One writer per process commits whatever has been
/// queued since its last commit, so that a commit is shared by all who wait for one. Thread-safe.
/// </summary>
public sealed partial class AuditLog : IHostedService, IDisposable
{
    /// <summary>The most patients that one row can name.</summary>
    public const int PatientsMax = 10_000;

    private const int TextMax = 64;
    private const int BatchMax = 256;

    /// <summary>Rows that may wait. At a tenth of the measured rate it is drained in 2 s, when the first of them gives up.</summary>
    private const int QueueMax = 4096;

    /// <summary>How long a caller waits: the gateway promises its 503 within 2 s.</summary>
    private static readonly TimeSpan AppendTimeout = TimeSpan.FromSeconds(1.8);

    private static readonly TimeSpan BatchTimeout = TimeSpan.FromSeconds(1.5);
    private static readonly TimeSpan ProbePeriod = TimeSpan.FromSeconds(1);

    private readonly CommitQueue<PendingRow> queue;
    private readonly AuditChains chains;
    private readonly AuditQueries queries;
    private readonly KeyRing keys;
    private readonly TimeProvider time;
    private readonly StorageMetrics metrics;
    private readonly ILogger log;

    internal AuditLog(Database database, KeyRing keys, TimeProvider time, StorageMetrics metrics, ILogger<AuditLog> log)
    {
        chains = new AuditChains(database, keys);
        queries = new AuditQueries(database, chains);
        this.keys = keys;
        this.time = time;
        this.metrics = metrics;
        this.log = log;
        queue = new CommitQueue<PendingRow>(
            new CommitBounds(QueueMax, BatchMax, long.MaxValue, ProbePeriod, BatchTimeout),
            WriteBatchAsync,
            chains.ProbeAsync,
            new CommitNews(e => LogUnavailable(log, e), () => LogAvailable(log), cause => LogStillUnavailable(log, cause)),
            time);
    }

    /// <summary>
    /// False from a commit that failed or was late until the trail can be written again, which is found out once a second, also
    /// without traffic.
    /// </summary>
    public bool IsAvailable => queue.IsAvailable;

    /// <summary>The search for a way back, while there is one.</summary>
    internal Task Probing => queue.Probing;

    /// <summary>Appends a row; completes when it is committed, with its sequence number.</summary>
    /// <exception cref="AuditUnavailableException">It was not committed within 2 s: what it is for must not happen.</exception>
    /// <exception cref="ArgumentException">A field is too long or holds other than printable ASCII.</exception>
    public async Task<long> AppendAsync(AuditRecord record, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        var row = new PendingRow(record.Tenant.Value, Draft(record));
        var outcome = "failed";
        try
        {
            if (!queue.TryAdd(row, queue.Outages))
            {
                outcome = "queue_full";
                throw new AuditUnavailableException("too many rows wait for the database.");
            }

            var seq = await row.Done.Task.WaitAsync(AppendTimeout, time, cancellationToken);
            outcome = "committed";
            return seq;
        }
        catch (TimeoutException e)
        {
            outcome = "timeout";
            queue.Lost(e);
            throw new AuditUnavailableException("the database did not commit in time.", e);
        }
        finally
        {
            // Nobody waits for it any more: if it is still queued, it is not written.
            row.Done.TrySetCanceled(CancellationToken.None);
            metrics.AuditAppended(time.GetElapsedTime(start), outcome);
        }
    }

    /// <summary>
    /// Walks a tenant's chain in one unchanging state of the database and names the first row that is edited, removed, inserted or
    /// out of order. What it cannot see: the restoring of an older state as a whole. For that, compare the head with one that was
    /// handed out earlier.
    /// </summary>
    public Task<AuditVerification> VerifyAsync(TenantId tenant, CancellationToken cancellationToken) =>
        queries.VerifyAsync(tenant, cancellationToken);

    /// <summary>Rows that name a patient, from newest to oldest.</summary>
    /// <param name="tenant">The tenant.</param>
    /// <param name="patientId">The EHR's logical id.</param>
    /// <param name="before">Only rows before this sequence number; null: from the newest.</param>
    /// <param name="countMax">1–1,000.</param>
    /// <param name="cancellationToken">Ends the query.</param>
    public Task<AuditEntry[]> WhoAsync(
        TenantId tenant, string patientId, long? before, int countMax, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(countMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(countMax, 1000);
        return queries.WhoAsync(tenant, Blind(tenant, [patientId]), before, countMax, cancellationToken);
    }

    /// <summary>Starts the writer.</summary>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        queue.Start();
        return Task.CompletedTask;
    }

    /// <summary>Writes what is queued, then ends.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => queue.StopAsync(cancellationToken);

    /// <summary>Ends the probing of a trail that cannot be written.</summary>
    public void Dispose() => queue.Dispose();

    private async Task WriteBatchAsync(IReadOnlyList<PendingRow> batch)
    {
        try
        {
            using var timeout = new CancellationTokenSource(BatchTimeout, time);
            await chains.WriteAsync(batch, timeout.Token);
            metrics.AuditBatchWritten(batch.Count);
            queue.Found();
        }
        catch (DbException e) when (IsDuplicate(e) && batch.Any(r => r.Tenant != batch[0].Tenant))
        {
            // Somebody put a row where one tenant's next row belongs. That must not stop the others.
            foreach (var group in batch.GroupBy(r => r.Tenant))
            {
                await WriteBatchAsync([.. group]);
            }
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            AuditChains.FailAll(batch, new AuditUnavailableException("the database refused or did not answer.", e));
            queue.Lost(e);
        }
    }

    private static bool IsDuplicate(DbException e) => e switch
    {
        PostgresException { SqlState: PostgresErrorCodes.UniqueViolation } => true,
        SqliteException { SqliteErrorCode: SQLitePCL.raw.SQLITE_CONSTRAINT } => true,
        _ => false,
    };

    private AuditRow Draft(AuditRecord record) => new()
    {
        App = Bounded(record.App, nameof(record.App))!,
        Action = Bounded(record.Action, nameof(record.Action))!,
        ResourceType = Bounded(record.ResourceType, nameof(record.ResourceType)),
        Outcome = Bounded(record.Outcome, nameof(record.Outcome))!,
        Intent = record.Intent,
        TraceId = Bounded(record.TraceId, nameof(record.TraceId)),
        Source = Bounded(record.Source, nameof(record.Source)),
        Entries = record.Entries,
        Patients = Blind(record.Tenant, record.Patients),
    };

    /// <summary>Printable ASCII only: one row that the database cannot store would fail the batch it is in.</summary>
    private static string? Bounded(string? text, string field) =>
        text is null || (text.Length <= TextMax && !text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            ? text
            : throw new ArgumentException(
                $"The {field} of an audit record has at most {TextMax} characters, all of them printable ASCII.", nameof(text));

    /// <summary>
    /// Blind indexes, in order and once each. Their key comes from the root key and not from the tenant's: the audit trail outlives
    /// the tenant's keys.
    /// </summary>
    private byte[] Blind(TenantId tenant, IReadOnlyList<string> patients)
    {
        if (patients.Count == 0)
        {
            return [];
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(patients.Count, PatientsMax, nameof(patients));
        var key = keys.DeriveClusterKey($"audit-patient/{tenant.Value}");
        var indexes = patients
            .Select(id => BinaryPrimitives.ReadUInt128BigEndian(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(id))))
            .Distinct().Order().ToArray();
        var blind = new byte[indexes.Length * AuditRow.PatientLength];
        for (var i = 0; i < indexes.Length; i++)
        {
            BinaryPrimitives.WriteUInt128BigEndian(blind.AsSpan(i * AuditRow.PatientLength), indexes[i]);
        }

        return blind;
    }

    [LoggerMessage(6030, LogLevel.Error,
        "The audit trail cannot be written: queries are refused (503) until it can. Check the database, its disk and its locks.")]
    private static partial void LogUnavailable(ILogger logger, Exception cause);

    [LoggerMessage(6031, LogLevel.Information, "The audit trail can be written again.")]
    private static partial void LogAvailable(ILogger logger);

    [LoggerMessage(6032, LogLevel.Warning, "The audit trail still cannot be written: {Cause}.")]
    private static partial void LogStillUnavailable(ILogger logger, string cause);
}

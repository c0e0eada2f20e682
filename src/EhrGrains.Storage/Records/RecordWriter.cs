using System.Data.Common;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.Sync;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace EhrGrains.Storage.Records;

/// <summary>
/// Commits changes of patient records: versions, provenance and change numbers at once. One writer per process commits whatever has
/// been queued since its last commit, so that a flush is shared by all who wait for one. Thread-safe.
/// </summary>
public sealed partial class RecordWriter : IHostedService, IDisposable
{
    /// <summary>Commits in a transaction; more would only make the first ones wait.</summary>
    private const int BatchMax = 512;

    /// <summary>Bytes after which a transaction takes no more commits.</summary>
    private const int BatchBytesMax = 16 * 1024 * 1024;

    /// <summary>Commits that may wait: each record has one at a time.</summary>
    private const int QueueMax = 16_384;

    /// <summary>How long a caller waits. Nobody's acknowledgement hangs on it, so a slow database is waited for rather than given up.</summary>
    private static readonly TimeSpan CommitTimeout = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan BatchTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ProbePeriod = TimeSpan.FromSeconds(1);

    private readonly CommitQueue<PendingCommit> queue;
    private readonly RecordAppender appender;
    private readonly BlindIndex blind;
    private readonly KeyRing keys;
    private readonly TimeProvider time;
    private readonly StorageMetrics metrics;
    private readonly ILogger log;

    internal RecordWriter(Database database, KeyRing keys, TimeProvider time, StorageMetrics metrics, ILogger<RecordWriter> log)
    {
        appender = new RecordAppender(database);
        blind = new BlindIndex(keys);
        this.keys = keys;
        this.time = time;
        this.metrics = metrics;
        this.log = log;
        queue = new CommitQueue<PendingCommit>(
            new CommitBounds(QueueMax, BatchMax, BatchBytesMax, ProbePeriod, BatchTimeout),
            WriteBatchAsync,
            appender.ProbeAsync,
            new CommitNews(e => LogUnavailable(log, e), () => LogAvailable(log), cause => LogStillUnavailable(log, cause)),
            time);
    }

    /// <summary>Commits; completes when it is flushed to disk.</summary>
    /// <returns>False: another commit of one of its records was in between, and nothing was written.</returns>
    /// <exception cref="RecordUnavailableException">Whether it was written is not known: read the record again.</exception>
    /// <exception cref="TenantKeyDestroyedException">The tenant's keys were destroyed.</exception>
    /// <exception cref="CursorFencedException">Another run has advanced the cursor; nothing was written.</exception>
    public async Task<bool> CommitAsync(ChartCommit commit, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        var pending = await SealAsync(commit, cancellationToken);
        var outcome = "failed";
        try
        {
            if (!queue.TryAdd(pending, queue.Outages))
            {
                outcome = "queue_full";
                throw new RecordUnavailableException("too many changes wait for the database.");
            }

            var written = await pending.Done.Task.WaitAsync(CommitTimeout, time, cancellationToken);
            outcome = written ? "committed" : "fenced";
            return written;
        }
        catch (CursorFencedException)
        {
            outcome = "cursor_fenced";
            throw;
        }
        catch (TimeoutException e)
        {
            outcome = "timeout";
            queue.Lost(e);
            throw new RecordUnavailableException("the database did not commit in time.", e);
        }
        finally
        {
            // Nobody waits for it any more: if it is still queued, it is not written.
            pending.Done.TrySetCanceled(CancellationToken.None);
            metrics.RecordCommitted(time.GetElapsedTime(start), outcome);
        }
    }

    /// <summary>Starts the writer.</summary>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        queue.Start();
        return Task.CompletedTask;
    }

    /// <summary>Writes what is queued, then ends.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => queue.StopAsync(cancellationToken);

    /// <summary>Ends the probing of a database that cannot be written.</summary>
    public void Dispose() => queue.Dispose();

    /// <summary>Seals and hashes on the caller's time, not on the writer's.</summary>
    private async ValueTask<PendingCommit> SealAsync(ChartCommit commit, CancellationToken cancellationToken)
    {
        var contents = new byte[]?[commit.Writes.Count];
        for (var i = 0; i < contents.Length; i++)
        {
            var (patient, resource) = (commit.Writes[i].Patient, commit.Writes[i].Resource);
            contents[i] = resource.Content.IsEmpty
                ? null
                : await keys.SealAsync(
                    commit.Tenant.Value,
                    KeyClass.Record,
                    resource.Content,
                    RecordRows.Place(patient.Value, resource.Type, resource.Id, resource.Version),
                    cancellationToken);
        }

        return new PendingCommit(
            commit, contents, await HashAsync(write => write.Added), await HashAsync(write => write.Removed));

        ValueTask<byte[][]> HashAsync(Func<ChartWrite, IReadOnlyList<IndexTerm>> terms) =>
            blind.OfAsync(commit.Tenant, RecordStore.TermPurpose, [.. commit.Writes.SelectMany(terms).Select(RecordStore.Text)], cancellationToken);
    }

    private async Task WriteBatchAsync(IReadOnlyList<PendingCommit> batch)
    {
        try
        {
            using var timeout = new CancellationTokenSource(BatchTimeout, time);
            await appender.WriteAsync(batch, timeout.Token);
            metrics.RecordBatchWritten(batch.Count);
            queue.Found();
        }
        catch (DbException e) when (IsOfData(e) && batch.Count > 1)
        {
            // Somebody has put a row where one of these belongs. That must not stop the others.
            foreach (var commit in batch)
            {
                await WriteBatchAsync([commit]);
            }
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            foreach (var commit in batch)
            {
                commit.Done.TrySetException(new RecordUnavailableException("the database refused or did not answer.", e));
            }

            if (!IsOfData(e))
            {
                queue.Lost(e);
            }
        }
    }

    private static bool IsOfData(Exception e) => e switch
    {
        PostgresException { SqlState: PostgresErrorCodes.UniqueViolation } => true,
        SqliteException { SqliteErrorCode: SQLitePCL.raw.SQLITE_CONSTRAINT } => true,
        _ => false,
    };

    [LoggerMessage(6050, LogLevel.Error,
        "Patient records cannot be written: feeds stand still until they can, nothing is lost. Check the database, its disk and its locks.")]
    private static partial void LogUnavailable(ILogger logger, Exception cause);

    [LoggerMessage(6051, LogLevel.Information, "Patient records can be written again.")]
    private static partial void LogAvailable(ILogger logger);

    [LoggerMessage(6052, LogLevel.Warning, "Patient records still cannot be written: {Cause}.")]
    private static partial void LogStillUnavailable(ILogger logger, string cause);
}

using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace EhrGrains.Storage.Journal;

/// <summary>
/// Appends messages to the journals of all feeds (I1). One writer per process commits whatever has been queued since its last commit,
/// so that a flush to disk is shared by all who wait for one. Thread-safe.
/// </summary>
public sealed partial class JournalWriter : IHostedService, IDisposable
{
    /// <summary>The longest message in bytes.</summary>
    public const int MessageBytesMax = 64 * 1024 * 1024;

    /// <summary>Rows in a commit: at 256 a flush costs each of them about 2 µs, more would only make the first ones wait.</summary>
    private const int BatchMax = 256;

    /// <summary>Bytes after which a commit takes no more rows.</summary>
    private const int BatchBytesMax = 8 * 1024 * 1024;

    /// <summary>Messages that may wait. Each connection has one or a few; at a tenth of the measured rate it is drained in 4 s.</summary>
    private const int QueueMax = 16_384;

    /// <summary>Bytes that may wait: four of the longest messages.</summary>
    private const long QueueBytesMax = 4L * MessageBytesMax;

    /// <summary>Tenants whose hashing key is kept; 100 bytes each.</summary>
    private const int HashKeysMax = 10_000;

    /// <summary>How long a caller waits: the listener promises its negative acknowledgement within 2 s.</summary>
    private static readonly TimeSpan AppendTimeout = TimeSpan.FromSeconds(1.8);

    private static readonly TimeSpan BatchTimeout = TimeSpan.FromSeconds(1.5);

    /// <summary>What a long message is given more, per byte: a disk that writes 16 MB/s.</summary>
    private static readonly TimeSpan TimePerByte = TimeSpan.FromSeconds(1) / 16_000_000;

    private static readonly TimeSpan ProbePeriod = TimeSpan.FromSeconds(0.5);

    private readonly CommitQueue<JournalRow> queue;
    private readonly ConcurrentDictionary<string, byte[]> hashKeys = new(StringComparer.Ordinal);
    private readonly JournalAppender appender;
    private readonly KeyRing keys;
    private readonly TimeProvider time;
    private readonly StorageMetrics metrics;
    private readonly ILogger log;
    private long queuedBytes;

    internal JournalWriter(Database database, KeyRing keys, TimeProvider time, StorageMetrics metrics, ILogger<JournalWriter> log)
    {
        appender = new JournalAppender(database, keys);
        this.keys = keys;
        this.time = time;
        this.metrics = metrics;
        this.log = log;
        queue = new CommitQueue<JournalRow>(
            new CommitBounds(QueueMax, BatchMax, BatchBytesMax, ProbePeriod, BatchTimeout),
            WriteBatchAsync,
            appender.ProbeAsync,
            new CommitNews(e => LogUnavailable(log, e), () => LogAvailable(log), cause => LogStillUnavailable(log, cause)),
            time)
        {
            // Perhaps the message before it on the same connection was refused: taken afterwards, it would overtake.
            RefuseAfterOutage = row => row.Done.TrySetException(new JournalUnavailableException("the database was away for a moment.")),
        };
    }

    /// <summary>
    /// False from a commit that failed or was late until the journal can be written again, which is found out twice a second, also
    /// without traffic. Meanwhile appending fails at once.
    /// </summary>
    public bool IsAvailable => queue.IsAvailable;

    /// <summary>The search for a way back, while there is one.</summary>
    internal Task Probing => queue.Probing;

    /// <summary>Appends a message; completes when it is committed and flushed to disk.</summary>
    /// <exception cref="JournalUnavailableException">It was not committed: at once when the database is known to be away, else within 2 s.</exception>
    /// <exception cref="ArgumentException">The message is empty or too long, or its retention is out of range.</exception>
    public async Task<JournalReceipt> AppendAsync(JournalMessage message, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfZero(message.Message.Length, nameof(message));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(message.Message.Length, MessageBytesMax, nameof(message));
        ArgumentOutOfRangeException.ThrowIfLessThan(message.RetentionDays, 1, nameof(message));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(message.RetentionDays, Segments.RetentionDaysMax, nameof(message));
        var outages = queue.Outages;
        var start = time.GetTimestamp();
        var row = Draft(message);
        var outcome = "failed";
        try
        {
            if (!queue.IsAvailable)
            {
                outcome = "unavailable";
                throw new JournalUnavailableException("the database is away.");
            }

            if (Interlocked.Add(ref queuedBytes, row.Length) > QueueBytesMax || !queue.TryAdd(row, outages))
            {
                outcome = "queue_full";
                throw new JournalUnavailableException("too many messages wait for the database.");
            }

            var receipt = await row.Done.Task.WaitAsync(AppendTimeout + (2 * row.Length * TimePerByte), time, cancellationToken);
            outcome = Outcome(receipt.Disposition);
            return receipt;
        }
        catch (TimeoutException e)
        {
            outcome = "timeout";
            queue.Lost(e);
            throw new JournalUnavailableException("the database did not commit in time.", e);
        }
        finally
        {
            // Nobody waits for it any more, and its buffer may be used for something else: if it is still queued, it is not written.
            row.Abandon();
            if (outcome != "unavailable")
            {
                Interlocked.Add(ref queuedBytes, -row.Length);
            }

            metrics.JournalAppended(time.GetElapsedTime(start), outcome);
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

    /// <summary>Ends the probing of a journal that cannot be written.</summary>
    public void Dispose() => queue.Dispose();

    private async Task WriteBatchAsync(IReadOnlyList<JournalRow> batch)
    {
        try
        {
            using var timeout = new CancellationTokenSource(BatchTimeout + (batch.Sum(r => (long)r.Length) * TimePerByte), time);
            await appender.WriteAsync(batch, timeout.Token);
            metrics.JournalBatchWritten(batch.Count);
            queue.Found();
        }
        catch (Exception e) when (IsOfOneFeed(e) && batch.Any(r => r.Feed != batch[0].Feed))
        {
            // One feed's head or key was tampered with or destroyed. That must not stop the others.
            foreach (var group in batch.GroupBy(r => r.Feed))
            {
                await WriteBatchAsync([.. group]);
            }
        }
        catch (Exception e) when (IsOfOneFeed(e))
        {
            LogFeedFailed(log, batch[0].Feed.Tenant, batch[0].Feed.Feed, e);
            FailAll(batch, new JournalUnavailableException("its feed's place in the database was changed, or the tenant's keys were destroyed.", e));
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Before the callers, so that what they send next is refused at once.
            queue.Lost(e);
            FailAll(batch, new JournalUnavailableException("the database refused or did not answer.", e));
        }
    }

    private static void FailAll(IEnumerable<JournalRow> rows, JournalUnavailableException reason)
    {
        foreach (var row in rows)
        {
            row.Done.TrySetException(reason);
        }
    }

    private static bool IsOfOneFeed(Exception e) => e switch
    {
        PostgresException { SqlState: PostgresErrorCodes.UniqueViolation } => true,
        SqliteException { SqliteErrorCode: SQLitePCL.raw.SQLITE_CONSTRAINT } => true,
        TenantKeyDestroyedException or HeadRemovedException => true,
        _ => false,
    };

    /// <summary>Hashes on the caller's time, not on the writer's. The key does not come from the tenant's, which may rotate.</summary>
    private JournalRow Draft(JournalMessage message)
    {
        if (!hashKeys.TryGetValue(message.Tenant.Value, out var key))
        {
            if (hashKeys.Count >= HashKeysMax)
            {
                hashKeys.Clear();
            }

            key = hashKeys[message.Tenant.Value] = keys.DeriveClusterKey($"journal/{message.Tenant.Value}");
        }

        var name = Encoding.UTF8.GetBytes(
            $"{message.Feed.Value}\0{message.Sender.Length}\0{message.Sender}{message.ControlId}");
        return new JournalRow(message, Hash(key, name), Hash(key, message.Message.Span));
    }

    private static byte[] Hash(byte[] key, ReadOnlySpan<byte> value)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, value, hash);
        return hash[..JournalRow.HashLength].ToArray();
    }

    private static string Outcome(JournalDisposition disposition) => disposition switch
    {
        JournalDisposition.Appended => "appended",
        JournalDisposition.Duplicate => "duplicate",
        JournalDisposition.ControlIdReused => "control_id_reused",
        JournalDisposition.OutOfSequence => "out_of_sequence",
        _ => "sequence_answered",
    };

    [LoggerMessage(6040, LogLevel.Error,
        "The journal cannot be written: feeds are not acknowledged until it can. Check the database, its disk and its locks.")]
    private static partial void LogUnavailable(ILogger logger, Exception cause);

    [LoggerMessage(6041, LogLevel.Information, "The journal can be written again.")]
    private static partial void LogAvailable(ILogger logger);

    [LoggerMessage(6042, LogLevel.Warning, "The journal still cannot be written: {Cause}.")]
    private static partial void LogStillUnavailable(ILogger logger, string cause);

    [LoggerMessage(6043, LogLevel.Error,
        "Feed {Tenant}/{Feed} cannot be journalled: its place in the database was changed by somebody else, or the tenant's keys were destroyed.")]
    private static partial void LogFeedFailed(ILogger logger, string tenant, string feed, Exception cause);
}

using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Storage.Paging;

/// <summary>
/// Where searches go on whose links are too long for a cursor: the EHR's links (or, over several tenants, the tenants' cursors)
/// by tenant, sealed, until they expire. Every silo sees a position once it is saved. On PostgreSQL it survives the end of a process, but
/// may be lost when the machine fails; on SQLite, where there is one process, nobody waits for the file, and the last moments may be
/// lost with the process. Then the search starts again from its first page, as it does when the EHR's own search session has ended.
/// </summary>
public sealed partial class PagingTable(Database database, KeyRing keys, TimeProvider time, ILogger<PagingTable> log) : IHostedService, IDisposable
{
    // When it expires, in microseconds and big-endian, and 8 random bytes: new rows follow each other, and old ones are a range.
    private const int IdLength = 16;

    private const int BatchMax = 256;

    /// <summary>Positions that may wait for SQLite's file before a search waits for it as well.</summary>
    private const int UnsavedMax = 1024;

    /// <summary>How long positions are collected where nobody waits for them: fewer transactions take the file from those of the audit trail.</summary>
    private static readonly TimeSpan Collecting = TimeSpan.FromMilliseconds(20);

    /// <summary>What is not in SQLite's file yet. Of the process, for all who have that file open: a position's id is 128 random bits.</summary>
    private static readonly ConcurrentDictionary<UInt128, Row> Unsaved = new();

    private static readonly TimeSpan PurgePeriod = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan WriteTimeout = TimeSpan.FromSeconds(5);

    private readonly ConcurrentQueue<Row> waiting = new();
    private readonly bool isShared = database.Kind == DatabaseKind.PostgreSql;
    private readonly CancellationTokenSource stopping = new();
    private Task writer = Task.CompletedTask;
    private int writing;
    private long purgedAt;

    /// <summary>Keeps a position and gives its id.</summary>
    /// <param name="scope">The tenant's id, or <see cref="KeyRing.ClusterScope"/> for a search over several.</param>
    /// <param name="associatedData">What the position is bound to; only with the same it can be read.</param>
    /// <param name="position">By tenant.</param>
    /// <param name="expiresAt">When it is forgotten.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<byte[]> SaveAsync(
        string scope,
        ReadOnlyMemory<byte> associatedData,
        IReadOnlyDictionary<string, string> position,
        DateTimeOffset expiresAt,
        CancellationToken cancellationToken)
    {
        await PurgeAsync(cancellationToken);
        var id = RandomNumberGenerator.GetBytes(IdLength);
        BinaryPrimitives.WriteInt64BigEndian(id, expiresAt.ToMicroseconds());
        var record = await keys.SealAsync(
            scope, KeyClass.Cursor, JsonSerializer.SerializeToUtf8Bytes(position), Bind(id, associatedData), cancellationToken);
        var row = new Row(scope, id, record, expiresAt.ToMicroseconds());
        var mustWait = isShared || Unsaved.Count >= UnsavedMax;
        if (!mustWait)
        {
            Unsaved[Number(id)] = row;
        }

        waiting.Enqueue(row);
        if (Interlocked.Exchange(ref writing, 1) == 0)
        {
            writer = WriteAllAsync();
        }

        if (mustWait)
        {
            await row.Saved.Task.WaitAsync(cancellationToken);
        }

        return id;
    }

    /// <summary>The position; null when it has expired or never was.</summary>
    /// <exception cref="CryptographicException">It is bound to something else, or was changed.</exception>
    public async ValueTask<IReadOnlyDictionary<string, string>?> FindAsync(
        string scope, ReadOnlyMemory<byte> associatedData, byte[] id, CancellationToken cancellationToken)
    {
        if (id.Length != IdLength)
        {
            return null;
        }

        var now = time.GetUtcNow().ToMicroseconds();
        var sealedPosition = Unsaved.TryGetValue(Number(id), out var row)
            ? row.Scope == scope && row.ExpiresAt > now ? row.Record : null
            : await ReadAsync(scope, id, now, cancellationToken);
        return sealedPosition is null
            ? null
            : JsonSerializer.Deserialize<Dictionary<string, string>>(
                await keys.OpenAsync(scope, KeyClass.Cursor, sealedPosition, Bind(id, associatedData), cancellationToken));
    }

    private async Task<byte[]?> ReadAsync(string scope, byte[] id, long now, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.Of(scope),
            new Statement("SELECT position FROM paging_position WHERE id = $2 AND tenant_id = $1 AND expires_at_us > $3").With(scope).With(id).With(now),
            r => (byte[])r.GetValue(0),
            cancellationToken);
        return rows.Count == 0 ? null : rows[0];
    }

    /// <summary>Writes what is not written yet, and from now on at once.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await stopping.CancelAsync();
        await writer.WaitAsync(cancellationToken);
    }

    /// <summary>Nothing to start.</summary>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Ends it.</summary>
    public void Dispose() => stopping.Dispose();

    // Whoever finds nobody writing writes for all who come meanwhile: they share a transaction, and the lock on the database that
    // the audit trail waits for as well.
    private async Task WriteAllAsync()
    {
        var batch = new List<Row>(BatchMax);
        do
        {
            if (!isShared)
            {
                await Task.Delay(Collecting, TimeProvider.System, stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            while (Take(batch))
            {
                foreach (var rows in batch.GroupBy(row => row.Scope))
                {
                    await WriteAsync(rows.Key, [.. rows]);
                }
            }

            Volatile.Write(ref writing, 0);
        }
        while (!waiting.IsEmpty && Interlocked.Exchange(ref writing, 1) == 0);
    }

    private bool Take(List<Row> batch)
    {
        batch.Clear();
        while (batch.Count < BatchMax && waiting.TryDequeue(out var row))
        {
            batch.Add(row);
        }

        return batch.Count > 0;
    }

    private async Task WriteAsync(string scope, Row[] rows)
    {
        try
        {
            using var timeout = new CancellationTokenSource(WriteTimeout, time);
            var inserts = rows.Select(row => new Statement("INSERT INTO paging_position (tenant_id, id, position, expires_at_us) VALUES ($1, $2, $3, $4)")
                .With(row.Scope).With(row.Id).With(row.Record).With(row.ExpiresAt));
            await database.ExecuteRelaxedAsync(TenantScope.Of(scope), [.. inserts], timeout.Token);
            Array.ForEach(rows, row => row.Saved.SetResult());
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Who waits learns of it, and answers its caller; of the others the next page is not found.
            LogNotSaved(log, rows.Length, e);
            Array.ForEach(rows, row => row.Saved.SetException(e));
        }

        Array.ForEach(rows, row => Unsaved.TryRemove(Number(row.Id), out _));
    }

    private static UInt128 Number(byte[] id) => BinaryPrimitives.ReadUInt128BigEndian(id);

    private static byte[] Bind(byte[] id, ReadOnlyMemory<byte> associatedData) =>
        [.. Encoding.UTF8.GetBytes("paging_position\0"), .. id, .. associatedData.Span];

    private async Task PurgeAsync(CancellationToken cancellationToken)
    {
        if (Purging.IsDue(ref purgedAt, PurgePeriod, time))
        {
            var end = new byte[IdLength];
            BinaryPrimitives.WriteInt64BigEndian(end, time.GetUtcNow().ToMicroseconds());
            var delete = new Statement("DELETE FROM paging_position WHERE id < $1").With(end);
            await database.ExecuteRelaxedAsync(TenantScope.Expired, [delete], cancellationToken);
        }
    }

    [LoggerMessage(6060, LogLevel.Warning, "{Count} positions of searches could not be saved: these searches must start again from their first page.")]
    private static partial void LogNotSaved(ILogger logger, int count, Exception exception);

    private sealed record Row(string Scope, byte[] Id, byte[] Record, long ExpiresAt)
    {
        internal TaskCompletionSource Saved { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

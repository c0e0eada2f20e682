using System.Data.Common;
using System.Globalization;
using System.Text;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Writes;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.Records;

namespace EhrGrains.Storage.Writes;

/// <summary>
/// The outboxes of all tenants and the ledger of what was asked for. Who sends takes the epoch; no step of an earlier one has an effect
/// (I3). Thread-safe.
/// </summary>
public sealed class WriteTable(Database database, KeyRing keys)
{
    private const string Heads = "number, key, digest, lane, app, interaction, type, state, tries, at_us, due_us, sending_us, settled_us, intent, receipt";
    private const string Columns = Heads + ", request";

    // Of its patient's writes none before it is open.
    private const string IsFirst = "NOT EXISTS (SELECT 1 FROM writes b WHERE b.tenant_id = $1 AND b.lane = w.lane AND b.due_us IS NOT NULL AND b.number < w.number)";

    private readonly BlindIndex blind = new(keys);

    /// <summary>The hashes that a write is known by.</summary>
    public async Task<WriteKey> KeyOfAsync(TenantId tenant, AppId app, string key, string content, string lane, CancellationToken cancellationToken)
    {
        var hashed = await blind.OfAsync(tenant, "write_key", [$"{app}\0{key}"], cancellationToken);
        var digest = await blind.OfAsync(tenant, "write_content", [content], cancellationToken);
        var lanes = await blind.OfAsync(tenant, "write_lane", [lane], cancellationToken);
        return new WriteKey(hashed[0], digest[0], lanes[0]);
    }

    /// <summary>Puts a write into the outbox; completes when it is on disk.</summary>
    /// <returns>Its number; null: one with its key is there.</returns>
    public async Task<long?> AddAsync(TenantId tenant, NewWrite write, CancellationToken cancellationToken)
    {
        var request = await SealAsync(tenant, write.Key, "request", write.Request, cancellationToken);
        await using var session = await database.BeginAsync(TenantScope.Of(tenant), cancellationToken);
        var numbers = await session.ReadAsync(
            [
                new Statement(
                    """
                    INSERT INTO write_heads (tenant_id, position, epoch, due_us) VALUES ($1, 1, 0, $2)
                    ON CONFLICT (tenant_id) DO UPDATE SET position = write_heads.position + 1, due_us = CASE WHEN write_heads.due_us < $2 THEN write_heads.due_us ELSE $2 END
                    RETURNING position
                    """)
                    .With(tenant.Value).With(write.At.ToMicroseconds()),
            ],
            r => r.GetInt64(0),
            cancellationToken);
        var added = await session.ReadAsync(
            [
                new Statement(
                    """
                    INSERT INTO writes (tenant_id, number, key, digest, lane, app, interaction, type, state, tries, at_us, due_us, intent, request)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, $9, $9, $10, $11) ON CONFLICT (tenant_id, key) DO NOTHING RETURNING number
                    """)
                    .With(tenant.Value).With(numbers[0]).With(write.Key.Key).With(write.Key.Digest).With(write.Key.Lane).With(write.App.Value)
                    .With(write.IsUpdate ? 1L : 0L).With(write.Type).With(write.At.ToMicroseconds()).With(write.Intent).With(request),
            ],
            r => r.GetInt64(0),
            cancellationToken);
        if (added.Count == 0)
        {
            return null;
        }

        await session.CommitAsync([], cancellationToken);
        return added[0];
    }

    /// <summary>The write with this key.</summary>
    public async Task<StoredWrite?> FindAsync(TenantId tenant, WriteKey key, CancellationToken cancellationToken) =>
        (await LoadAsync(tenant, new Statement($"SELECT {Columns} FROM writes WHERE tenant_id = $1 AND key = $2").With(tenant.Value).With(key.Key), cancellationToken))
        .SingleOrDefault();

    /// <summary>The write with this number.</summary>
    public async Task<StoredWrite?> FindAsync(TenantId tenant, long number, CancellationToken cancellationToken) =>
        (await LoadAsync(tenant, new Statement($"SELECT {Columns} FROM writes WHERE tenant_id = $1 AND number = $2").With(tenant.Value).With(number), cancellationToken))
        .SingleOrDefault();

    /// <summary>Writes by number, after one of them, without what was to be sent; with a state only those in it.</summary>
    public async Task<IReadOnlyList<StoredWrite>> ListAsync(
        TenantId tenant, long after, WriteState? state, int countMax, CancellationToken cancellationToken) =>
        await LoadAsync(
            tenant,
            new Statement($"SELECT {Heads} FROM writes WHERE tenant_id = $1 AND number > $2 AND ($3 < 0 OR state = $3) ORDER BY number LIMIT $4")
                .With(tenant.Value).With(after).With((long?)state ?? -1L).With(countMax),
            cancellationToken);

    /// <summary>What is to be done now: of each patient the first write that is not settled, if it is due.</summary>
    public async Task<IReadOnlyList<StoredWrite>> DueAsync(TenantId tenant, DateTimeOffset now, int countMax, CancellationToken cancellationToken) =>
        await LoadAsync(
            tenant,
            new Statement(
                $"""
                SELECT {Columns} FROM writes w WHERE tenant_id = $1 AND due_us IS NOT NULL AND due_us <= $2
                  AND {IsFirst}
                ORDER BY number LIMIT $3
                """)
                .With(tenant.Value).With(now.ToMicroseconds()).With(countMax),
            cancellationToken);

    /// <summary>Writes in each state, those that are not settled, and when the first of these was accepted.</summary>
    public async Task<(Dictionary<WriteState, long> States, long Open, DateTimeOffset? OldestOpenAt)> CountAsync(
        TenantId tenant, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT state, count(*), sum(CASE WHEN due_us IS NULL THEN 0 ELSE 1 END), min(CASE WHEN due_us IS NULL THEN NULL ELSE at_us END)
                FROM writes WHERE tenant_id = $1 GROUP BY state
                """).With(tenant.Value),
            r => (State: (WriteState)r.GetInt64(0), Count: r.GetInt64(1), Open: Convert.ToInt64(r.GetValue(2), CultureInfo.InvariantCulture), Oldest: TimeAt(r, 3)),
            cancellationToken);
        return (rows.ToDictionary(row => row.State, row => row.Count), rows.Sum(row => row.Open), rows.Min(row => row.Oldest));
    }

    /// <summary>How many writes are not settled.</summary>
    public async Task<long> CountOpenAsync(TenantId tenant, CancellationToken cancellationToken) =>
        (await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement("SELECT count(*) FROM writes WHERE tenant_id = $1 AND due_us IS NOT NULL").With(tenant.Value),
            r => r.GetInt64(0),
            cancellationToken))[0];

    /// <summary>The tenants whose outbox has something to do, the longest due first.</summary>
    public async Task<IReadOnlyList<TenantId>> DueTenantsAsync(DateTimeOffset now, int countMax, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Directory,
            new Statement("SELECT tenant_id FROM write_heads WHERE due_us <= $1 ORDER BY due_us LIMIT $2").With(now.ToMicroseconds()).With(countMax),
            r => TenantId.Parse(r.GetString(0), CultureInfo.InvariantCulture),
            cancellationToken);

    /// <summary>Begins to send: takes the next epoch.</summary>
    public async Task<long> TakeEpochAsync(TenantId tenant, CancellationToken cancellationToken)
    {
        var take = new Statement(
            """
            INSERT INTO write_heads (tenant_id, position, epoch, due_us) VALUES ($1, 0, 1, $2)
            ON CONFLICT (tenant_id) DO UPDATE SET epoch = write_heads.epoch + 1 RETURNING epoch
            """)
            .With(tenant.Value).With(Microseconds.ToMicroseconds(DateTimeOffset.MaxValue));
        await using var session = await database.BeginAsync(TenantScope.Of(tenant), cancellationToken);
        var epochs = await session.ReadAsync([take], r => r.GetInt64(0), cancellationToken);
        await session.CommitAsync([], cancellationToken);
        return epochs[0];
    }

    /// <summary>Commits a step of the sender, if the epoch is still its own and the write as it was before.</summary>
    public async Task<StepOutcome> CommitAsync(TenantId tenant, long epoch, WriteStep step, CancellationToken cancellationToken)
    {
        var write = step.Write;
        var receipt = step.Receipt is null ? null : await SealAsync(tenant, write.Key, "receipt", step.Receipt, cancellationToken);
        await using var session = await database.BeginAsync(TenantScope.Of(tenant), cancellationToken);
        if (await FenceAsync(session, tenant, epoch, cancellationToken) == 0)
        {
            return StepOutcome.Fenced;
        }

        var changed = await session.ExecuteAsync(
            [
                new Statement(
                    """
                    UPDATE writes SET state = $4, due_us = $5, settled_us = CASE WHEN CAST($5 AS bigint) IS NULL THEN $6 ELSE NULL END,
                      tries = tries + $7, sending_us = CASE WHEN $7 = 1 THEN $6 ELSE sending_us END, problem = $8, receipt = coalesce($9, receipt)
                    WHERE tenant_id = $1 AND number = $2 AND state = $3 AND due_us IS NOT NULL
                    """)
                    .With(tenant.Value).With(write.Number).With((long)write.State).With((long)step.State).With(step.DueAt?.ToMicroseconds())
                    .With(step.At.ToMicroseconds()).With(step.Sends ? 1L : 0L).With(step.Problem).With(receipt),
            ],
            cancellationToken);
        if (changed == 0)
        {
            return StepOutcome.Moved;
        }

        await session.CommitAsync([], cancellationToken);
        return StepOutcome.Done;
    }

    /// <summary>Sends a settled write once more, or gives one up, if it is in one of these states.</summary>
    /// <returns>Whether it was.</returns>
    public async Task<bool> MoveAsync(
        TenantId tenant, long number, IReadOnlyCollection<WriteState> from, WriteState to, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var due = to == WriteState.Accepted ? now.ToMicroseconds() : (long?)null;
        await using var session = await database.BeginAsync(TenantScope.Of(tenant), cancellationToken);
        var changed = await session.ExecuteAsync(
            [
                new Statement(
                    $"""
                    UPDATE writes SET state = $3, due_us = $4, settled_us = CASE WHEN CAST($4 AS bigint) IS NULL THEN $5 ELSE NULL END, problem = NULL, receipt = NULL
                    WHERE tenant_id = $1 AND number = $2 AND state IN ({string.Join(", ", from.Select(state => ((long)state).ToString(CultureInfo.InvariantCulture)))})
                    """)
                    .With(tenant.Value).With(number).With((long)to).With(due).With(now.ToMicroseconds()),
            ],
            cancellationToken);
        if (changed == 0)
        {
            return false;
        }

        await session.CommitAsync(
            [new Statement("UPDATE write_heads SET due_us = $2 WHERE tenant_id = $1 AND due_us > $2").With(tenant.Value).With(now.ToMicroseconds())], cancellationToken);
        return true;
    }

    /// <summary>
    /// Forgets writes that were settled before a time, and notes when there is something to do again: the next step, or something to forget.
    /// </summary>
    /// <returns>When; null: another has taken the epoch.</returns>
    public async Task<DateTimeOffset?> SleepAsync(
        TenantId tenant, long epoch, DateTimeOffset now, DateTimeOffset notBefore, TimeSpan keptFor, CancellationToken cancellationToken)
    {
        await using var session = await database.BeginAsync(TenantScope.Of(tenant), cancellationToken);

        // The row is locked: what is accepted meanwhile waits, and brings its own time.
        if (await FenceAsync(session, tenant, epoch, cancellationToken) == 0)
        {
            return null;
        }

        var kept = (long)keptFor.TotalMicroseconds;
        await session.ExecuteAsync(
            [new Statement("DELETE FROM writes WHERE tenant_id = $1 AND due_us IS NULL AND settled_us < $2").With(tenant.Value).With(now.ToMicroseconds() - kept)],
            cancellationToken);
        var next = await session.ReadAsync(
            [
                new Statement($"SELECT min(due_us) FROM writes w WHERE tenant_id = $1 AND due_us IS NOT NULL AND {IsFirst}").With(tenant.Value),
                new Statement("SELECT min(settled_us) + $2 FROM writes WHERE tenant_id = $1 AND due_us IS NULL").With(tenant.Value).With(kept),
            ],
            r => r.IsDBNull(0) ? long.MaxValue : r.GetInt64(0),
            cancellationToken);
        var due = Math.Max(Math.Min(next[0], next[1]), notBefore.ToMicroseconds());
        due = Math.Min(due, DateTimeOffset.MaxValue.ToMicroseconds());
        await session.CommitAsync([new Statement("UPDATE write_heads SET due_us = $2 WHERE tenant_id = $1").With(tenant.Value).With(due)], cancellationToken);
        return Microseconds.FromMicroseconds(due);
    }

    private static Task<int> FenceAsync(Session session, TenantId tenant, long epoch, CancellationToken cancellationToken) => session.ExecuteAsync(
        [new Statement("UPDATE write_heads SET epoch = epoch WHERE tenant_id = $1 AND epoch = $2").With(tenant.Value).With(epoch)], cancellationToken);

    private async Task<List<StoredWrite>> LoadAsync(TenantId tenant, Statement statement, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(TenantScope.Of(tenant), statement, Read, cancellationToken);
        for (var i = 0; i < rows.Count; i++)
        {
            var (key, request, receipt) = (rows[i].Key, rows[i].Request, rows[i].Receipt);
            rows[i] = rows[i] with
            {
                Request = request.Length == 0 ? [] : await keys.OpenAsync(tenant.Value, KeyClass.Write, request, Place(key, "request"), cancellationToken),
                Receipt = receipt is null ? null : await keys.OpenAsync(tenant.Value, KeyClass.Write, receipt, Place(key, "receipt"), cancellationToken),
            };
        }

        return rows;
    }

    private static StoredWrite Read(DbDataReader row) => new()
    {
        Number = row.GetInt64(0),
        Key = new WriteKey((byte[])row.GetValue(1), (byte[])row.GetValue(2), (byte[])row.GetValue(3)),
        App = AppId.Parse(row.GetString(4), CultureInfo.InvariantCulture),
        IsUpdate = row.GetInt64(5) == 1,
        Type = row.GetString(6),
        State = (WriteState)row.GetInt64(7),
        Tries = (int)row.GetInt64(8),
        At = Microseconds.FromMicroseconds(row.GetInt64(9)),
        DueAt = TimeAt(row, 10),
        SendingAt = TimeAt(row, 11),
        SettledAt = TimeAt(row, 12),
        Intent = row.GetInt64(13),
        Receipt = row.IsDBNull(14) ? null : (byte[])row.GetValue(14),
        Request = row.FieldCount > 15 ? (byte[])row.GetValue(15) : [],
    };

    private static DateTimeOffset? TimeAt(DbDataReader row, int column) => row.IsDBNull(column) ? null : Microseconds.FromMicroseconds(row.GetInt64(column));

    private ValueTask<byte[]> SealAsync(TenantId tenant, WriteKey key, string part, byte[] plain, CancellationToken cancellationToken) =>
        keys.SealAsync(tenant.Value, KeyClass.Write, plain, Place(key, part), cancellationToken);

    private static byte[] Place(WriteKey key, string part) => [.. Encoding.ASCII.GetBytes($"write\0{part}\0"), .. key.Key];
}

using EhrGrains.Contracts.Sync;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Sync;

namespace EhrGrains.Storage.Records;

/// <summary>A commit that waits to be written, with its contents sealed and its terms hashed.</summary>
internal sealed class PendingCommit(ChartCommit commit, byte[]?[] contents, byte[][] added, byte[][] removed) : IQueuedRow
{
    public int Length { get; } = contents.Sum(content => content?.Length ?? 0);

    public bool IsWaitedFor => !Done.Task.IsCompleted;

    internal ChartCommit Commit { get; } = commit;

    internal string Tenant { get; } = commit.Tenant.Value;

    /// <summary>By write.</summary>
    internal byte[]?[] Contents { get; } = contents;

    /// <summary>By write and term, one after the other.</summary>
    internal byte[][] Added { get; } = added;

    internal byte[][] Removed { get; } = removed;

    /// <summary>Whether it was written; false: another commit of one of its records was in between.</summary>
    internal TaskCompletionSource<bool> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>
/// Writes any number of commits in one transaction. The row in <c>change_heads</c> is each tenant's lock: whoever holds it writes the
/// tenant's records and gives out its change numbers until the commit, on any silo. Tenants are locked in one order.
/// </summary>
internal sealed class RecordAppender(Database database)
{
    private const string HeadColumns =
        "tenant_id text, patient text, version bigint, at_us bigint, marks text, merged_into text, merged_by text, resources bigint, bytes bigint";

    private const string VersionColumns =
        "tenant_id text, patient text, type text, id text, version bigint, at_us bigint, kind bigint, source text, length bigint, content bytea";

    private const string OverwriteHead =
        """
        ON CONFLICT (tenant_id, patient) DO UPDATE SET version = excluded.version, at_us = excluded.at_us, marks = excluded.marks,
          merged_into = excluded.merged_into, merged_by = excluded.merged_by, resources = excluded.resources, bytes = excluded.bytes
        """;

    private const string OverwriteResource =
        """
        ON CONFLICT (tenant_id, patient, type, id) DO UPDATE SET version = excluded.version, at_us = excluded.at_us, kind = excluded.kind,
          source = excluded.source, length = excluded.length, content = excluded.content
        """;

    private const string MoveColumns = "tenant_id, patient, type, id, version, at_us, kind, source, length, content";

    private readonly HashSet<string> started = [];

    /// <summary>Writes what is not fenced off, commits, then completes the callers.</summary>
    internal async Task WriteAsync(IReadOnlyList<PendingCommit> commits, CancellationToken cancellationToken)
    {
        var tenants = commits.Select(c => c.Tenant).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray();
        await StartAsync([.. tenants.Where(t => !started.Contains(t))], cancellationToken);
        await using var session = await database.BeginAsync(TenantScope.Of(tenants), cancellationToken);
        var (last, versions, cursors) = await LockAsync(session, tenants, commits, cancellationToken);
        var rows = new Rows(database.Kind, last);
        var written = new List<PendingCommit>(commits.Count);
        var fenced = new List<PendingCommit>();
        foreach (var commit in commits)
        {
            var heads = commit.Commit.Heads;
            if (!TakeCursors(cursors, commit))
            {
                commit.Done.TrySetException(new CursorFencedException());
            }
            else if (heads.All(head => versions.GetValueOrDefault((commit.Tenant, head.Patient.Value)) == head.Version - 1))
            {
                foreach (var head in heads)
                {
                    versions[(commit.Tenant, head.Patient.Value)] = head.Version;
                }

                rows.Add(commit);
                written.Add(commit);
            }
            else
            {
                fenced.Add(commit);
            }
        }

        await session.CommitAsync([.. rows.Statements()], cancellationToken);
        written.ForEach(commit => commit.Done.TrySetResult(true));
        fenced.ForEach(commit => commit.Done.TrySetResult(false));
    }

    /// <summary>Takes the locks that writing takes, and lets go.</summary>
    internal async Task ProbeAsync(CancellationToken cancellationToken)
    {
        await using var session = await database.BeginAsync(TenantScope.None, cancellationToken);
        await session.ReadAsync(
            [new Statement("SELECT 1 FROM change_heads WHERE tenant_id = ''"), new Statement("SELECT 1 FROM record_heads WHERE tenant_id = ''")],
            _ => 0,
            cancellationToken);
    }

    /// <summary>Makes the locks of new tenants, in a transaction of its own: who waits for a row that is being inserted, waits for its commit.</summary>
    private async Task StartAsync(string[] tenants, CancellationToken cancellationToken)
    {
        if (tenants.Length > 0)
        {
            var set = new RowSet("tenant_id text, last bigint");
            Array.ForEach(tenants, tenant => set.Add(tenant, 0L));
            await database.ExecuteAsync(
                TenantScope.Of(tenants), [.. set.InsertInto(database.Kind, "change_heads", "ON CONFLICT (tenant_id) DO NOTHING")], cancellationToken);
            started.UnionWith(tenants);
        }
    }

    /// <summary>
    /// Locks the tenants, and then reads the versions of records and of cursors that are to be advanced: nobody else can advance them while the
    /// tenant's lock is held.
    /// </summary>
    private async Task<(Dictionary<string, long> Last, Dictionary<(string Tenant, string Patient), long> Versions, Dictionary<(string Tenant, string Patient, string Type), long> Cursors)>
        LockAsync(Session session, string[] tenants, IReadOnlyList<PendingCommit> commits, CancellationToken cancellationToken)
    {
        var locks = new RowSet("tenant_id text");
        Array.ForEach(tenants, tenant => locks.Add(tenant));
        var heads = new RowSet("tenant_id text, patient text");
        var sought = new RowSet("tenant_id text, patient text, type text");
        foreach (var commit in commits)
        {
            foreach (var head in commit.Commit.Heads)
            {
                heads.Add(commit.Tenant, head.Patient.Value);
            }

            foreach (var row in commit.Commit.Advance?.Rows ?? [])
            {
                sought.Add(commit.Tenant, commit.Commit.Advance!.Patient.Value, row.Status.Type);
            }
        }

        // Statements of their own: those behind the first see what was committed while it waited (PostgreSQL, read committed).
        var rows = await session.ReadAsync(
            [
                .. locks.Statements(
                    database.Kind,
                    $"""
                    SELECT h.tenant_id, '', '', h.last FROM change_heads h JOIN {locks.Source} ON h.tenant_id = q.tenant_id COLLATE "C"
                    ORDER BY h.tenant_id FOR UPDATE OF h
                    """,
                    "SELECT tenant_id, '', '', last FROM change_heads WHERE tenant_id = $1"),
                .. heads.Statements(
                    database.Kind,
                    $"""
                    SELECT h.tenant_id, h.patient, '', h.version FROM record_heads h JOIN {heads.Source}
                      ON h.tenant_id = q.tenant_id COLLATE "C" AND h.patient = q.patient COLLATE "C"
                    """,
                    "SELECT tenant_id, patient, '', version FROM record_heads WHERE tenant_id = $1 AND patient = $2"),
                .. sought.Statements(
                    database.Kind,
                    $"""
                    SELECT c.tenant_id, c.patient, c.type, c.version FROM sync_cursors c JOIN {sought.Source}
                      ON c.tenant_id = q.tenant_id COLLATE "C" AND c.patient = q.patient COLLATE "C" AND c.type = q.type COLLATE "C"
                    """,
                    "SELECT tenant_id, patient, type, version FROM sync_cursors WHERE tenant_id = $1 AND patient = $2 AND type = $3"),
            ],
            r => (Tenant: r.GetString(0), Patient: r.GetString(1), Type: r.GetString(2), Number: r.GetInt64(3)),
            cancellationToken);
        var (last, versions, cursors) = (new Dictionary<string, long>(), new Dictionary<(string, string), long>(), new Dictionary<(string, string, string), long>());
        foreach (var (tenant, patient, type, number) in rows)
        {
            _ = patient.Length == 0 ? last[tenant] = number : type.Length == 0 ? versions[(tenant, patient)] = number : cursors[(tenant, patient, type)] = number;
        }

        return (last, versions, cursors);
    }

    /// <summary>Whether the cursors of a commit are as it believes, and none of this transaction's yet.</summary>
    private static bool TakeCursors(Dictionary<(string Tenant, string Patient, string Type), long> versions, PendingCommit commit)
    {
        if (commit.Commit.Advance is not { } advance)
        {
            return true;
        }

        var keys = Array.ConvertAll(advance.Rows, row => (commit.Tenant, advance.Patient.Value, row.Status.Type));
        if (!keys.Zip(advance.Rows).All(pair => versions.GetValueOrDefault(pair.First) == pair.Second.Version - 1))
        {
            return false;
        }

        // One commit a cursor and transaction: a second one belongs to somebody who gave the first one up.
        Array.ForEach(keys, key => versions[key] = long.MinValue);
        return true;
    }

    /// <summary>The rows of a transaction.</summary>
    private sealed class Rows(DatabaseKind kind, Dictionary<string, long> last)
    {
        private readonly Dictionary<(string Tenant, string Patient), ChartHead> heads = [];
        private readonly Dictionary<(string Tenant, string Patient, string Type, string Id), object?[]> current = [];
        private readonly HashSet<(string Tenant, string Patient, string Type, string Id)> made = [];
        private readonly RowSet superseded = new("tenant_id text, patient text, type text, id text");
        private readonly RowSet passing = new(VersionColumns);
        private readonly RowSet changes = new(
            "tenant_id text, seq bigint, patient text, type text, id text, version bigint, kind bigint, source text, at_us bigint");

        private readonly RowSet found = new("tenant_id text, term bytea, patient text, type text, id text");
        private readonly RowSet lost = new("tenant_id text, term bytea, patient text, type text, id text");
        private readonly List<(string Tenant, CursorAdvance Advance)> advances = [];

        internal void Add(PendingCommit pending)
        {
            foreach (var head in pending.Commit.Heads)
            {
                heads[(pending.Tenant, head.Patient.Value)] = head;
            }

            if (pending.Commit.Advance is { } advance)
            {
                advances.Add((pending.Tenant, advance));
            }

            var (added, removed) = (0, 0);
            foreach (var (index, write) in pending.Commit.Writes.Index())
            {
                AddVersion(pending.Tenant, write, pending.Contents[index]);
                foreach (var _ in write.Added)
                {
                    found.Add(pending.Tenant, pending.Added[added++], write.Patient.Value, write.Resource.Type, write.Resource.Id);
                }

                foreach (var _ in write.Removed)
                {
                    lost.Add(pending.Tenant, pending.Removed[removed++], write.Patient.Value, write.Resource.Type, write.Resource.Id);
                }
            }
        }

        internal IEnumerable<Statement> Statements()
        {
            var headRows = new RowSet(HeadColumns);
            foreach (var ((tenant, patient), head) in heads)
            {
                headRows.Add(
                    tenant, patient, head.Version, head.At.ToMicroseconds(), RecordRows.Marks(head.Marks), head.MergedInto?.Value, head.MergedBy,
                    head.Resources, head.Bytes);
            }

            // What was never there needs no look at what is, which would cost as much as the row.
            var (first, later) = (new RowSet(VersionColumns), new RowSet(VersionColumns));
            foreach (var (key, row) in current)
            {
                (made.Contains(key) ? first : later).Add(row);
            }

            var lasts = new RowSet("tenant_id text, last bigint");
            foreach (var (tenant, number) in last)
            {
                lasts.Add(tenant, number);
            }

            return
            [
                .. headRows.InsertInto(kind, "record_heads", OverwriteHead),
                .. superseded.Statements(
                    kind,
                    $"""
                    INSERT INTO record_versions ({MoveColumns})
                    SELECT r.tenant_id, r.patient, r.type, r.id, r.version, r.at_us, r.kind, r.source, r.length, r.content
                    FROM record_resources r JOIN {superseded.Source} ON r.tenant_id = q.tenant_id COLLATE "C"
                      AND r.patient = q.patient COLLATE "C" AND r.type = q.type COLLATE "C" AND r.id = q.id COLLATE "C"
                    """,
                    $"""
                    INSERT INTO record_versions ({MoveColumns}) SELECT {MoveColumns} FROM record_resources
                    WHERE tenant_id = $1 AND patient = $2 AND type = $3 AND id = $4
                    """),
                .. passing.InsertInto(kind, "record_versions"),
                .. first.InsertInto(kind, "record_resources"),
                .. later.InsertInto(kind, "record_resources", OverwriteResource),
                .. lost.Statements(
                    kind,
                    $"""
                    DELETE FROM record_index i USING {lost.Source} WHERE i.tenant_id = q.tenant_id COLLATE "C" AND i.term = q.term
                      AND i.patient = q.patient COLLATE "C" AND i.type = q.type COLLATE "C" AND i.id = q.id COLLATE "C"
                    """,
                    "DELETE FROM record_index WHERE tenant_id = $1 AND term = $2 AND patient = $3 AND type = $4 AND id = $5"),
                .. found.InsertInto(kind, "record_index", "ON CONFLICT DO NOTHING"),
                .. changes.InsertInto(kind, "changes"),
                .. CursorRows.Write(kind, advances),
                .. lasts.Statements(
                    kind,
                    $"""UPDATE change_heads h SET last = q.last FROM {lasts.Source} WHERE h.tenant_id = q.tenant_id COLLATE "C" """,
                    "UPDATE change_heads SET last = $2 WHERE tenant_id = $1"),
            ];
        }

        private void AddVersion(string tenant, ChartWrite write, byte[]? content)
        {
            var resource = write.Resource;
            var key = (tenant, write.Patient.Value, resource.Type, resource.Id);
            object?[] row =
            [
                tenant, write.Patient.Value, resource.Type, resource.Id, (long)resource.Version, resource.At.ToMicroseconds(), (long)resource.Kind,
                resource.Source, (long)resource.Content.Length, content,
            ];
            if (current.TryGetValue(key, out var passed))
            {
                // A version that this same transaction replaces.
                passing.Add(passed);
            }
            else if (resource.Version > 1)
            {
                superseded.Add(tenant, write.Patient.Value, resource.Type, resource.Id);
            }
            else
            {
                made.Add(key);
            }

            current[key] = row;
            changes.Add(
                tenant, ++last[tenant], write.Patient.Value, resource.Type, resource.Id, (long)resource.Version, (long)resource.Kind,
                resource.Source, resource.At.ToMicroseconds());
        }
    }
}

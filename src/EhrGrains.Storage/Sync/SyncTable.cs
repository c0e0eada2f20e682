using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Sync;

/// <summary>Which patients are copied, when each is due, and where its cursors are. Thread-safe.</summary>
public sealed class SyncTable(Database database)
{
    private const string PatientColumns = "patient, record, due_us, hinted, whole, state, failures, completed_us, problem, run_us";

    /// <summary>Enrols patients, due now; those that are enrolled stay as they are.</summary>
    /// <returns>How many were new.</returns>
    public async Task<int> EnrolAsync(TenantId tenant, IReadOnlyCollection<PatientId> patients, CancellationToken cancellationToken)
    {
        var tenants = new RowSet("tenant_id text, shard bigint, paused bigint");
        tenants.Add(tenant.Value, (long)GrainKeys.ShardOf(tenant), 0L);
        await database.ExecuteAsync(
            TenantScope.Of(tenant), [.. tenants.InsertInto(database.Kind, "sync_tenants", "ON CONFLICT (tenant_id) DO NOTHING")], cancellationToken);
        var set = new RowSet("tenant_id text, patient text, due_us bigint, hinted text, whole bigint, state bigint, failures bigint");
        var now = database.Time.GetUtcNow().ToMicroseconds();
        foreach (var patient in patients.Distinct())
        {
            set.Add(tenant.Value, patient.Value, now, "", 0L, (long)SyncState.Waiting, 0L);
        }

        return await database.ExecuteAsync(
            TenantScope.Of(tenant), [.. set.InsertInto(database.Kind, "sync_patients", "ON CONFLICT (tenant_id, patient) DO NOTHING")], cancellationToken);
    }

    /// <summary>Forgets patients and their cursors.</summary>
    /// <returns>How many there were.</returns>
    public async Task<int> LeaveAsync(TenantId tenant, IReadOnlyCollection<PatientId> patients, CancellationToken cancellationToken)
    {
        var set = new RowSet("tenant_id text, patient text");
        foreach (var patient in patients.Distinct())
        {
            set.Add(tenant.Value, patient.Value);
        }

        await using var session = await database.BeginAsync(TenantScope.Of(tenant), cancellationToken);
        var left = await session.ExecuteAsync([.. Delete("sync_patients")], cancellationToken);
        await session.CommitAsync([.. Delete("sync_cursors"), .. Delete("sync_seen")], cancellationToken);
        return left;

        IEnumerable<Statement> Delete(string table) => set.Statements(
            database.Kind,
            $"""DELETE FROM {table} t USING {set.Source} WHERE t.tenant_id = q.tenant_id COLLATE "C" AND t.patient = q.patient COLLATE "C" """,
            $"DELETE FROM {table} WHERE tenant_id = $1 AND patient = $2");
    }

    /// <summary>Pauses a tenant or lets it go on.</summary>
    public Task PauseAsync(TenantId tenant, bool isPaused, CancellationToken cancellationToken) => database.ExecuteAsync(
        TenantScope.Of(tenant),
        [
            new Statement(
                "INSERT INTO sync_tenants (tenant_id, shard, paused) VALUES ($1, $2, $3) ON CONFLICT (tenant_id) DO UPDATE SET paused = excluded.paused")
                .With(tenant.Value).With(GrainKeys.ShardOf(tenant)).With(isPaused ? 1L : 0L),
        ],
        cancellationToken);

    /// <summary>The tenants that have patients whose copies are kept.</summary>
    public async Task<IReadOnlyList<TenantId>> TenantsAsync(CancellationToken cancellationToken) => await database.ReadAsync(
        TenantScope.Directory, new Statement("SELECT tenant_id FROM sync_tenants WHERE paused = 0"), r => TenantId.Parse(r.GetString(0), null), cancellationToken);

    /// <summary>The shards that have tenants whose copies are kept, at most <paramref name="countMax"/>.</summary>
    public async Task<IReadOnlyList<int>> ShardsAsync(int countMax, CancellationToken cancellationToken) => await database.ReadAsync(
        TenantScope.Directory,
        new Statement("SELECT DISTINCT shard FROM sync_tenants WHERE paused = 0 ORDER BY shard LIMIT $1").With(countMax),
        r => (int)r.GetInt64(0),
        cancellationToken);

    /// <summary>The tenants of a shard that are not paused.</summary>
    public async Task<IReadOnlyList<TenantId>> TenantsAsync(int shard, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Directory,
            new Statement("SELECT tenant_id FROM sync_tenants WHERE shard = $1 AND paused = 0 ORDER BY tenant_id").With(shard),
            r => TenantId.Parse(r.GetString(0), null),
            cancellationToken);

    /// <summary>What is due or will be next, the longest due first, at most <paramref name="countMax"/>.</summary>
    public async Task<IReadOnlyList<(PatientId Patient, DateTimeOffset DueAt)>> DueAsync(
        TenantId tenant, int countMax, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement("SELECT patient, due_us FROM sync_patients WHERE tenant_id = $1 ORDER BY due_us LIMIT $2").With(tenant.Value).With(countMax),
            r => (PatientId.Parse(r.GetString(0), null), Microseconds.FromMicroseconds(r.GetInt64(1))),
            cancellationToken);

    /// <summary>The enrolled patients whose copies are in a record.</summary>
    public async Task<IReadOnlyList<PatientId>> InRecordAsync(TenantId tenant, PatientId record, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            Of("SELECT patient FROM sync_patients WHERE tenant_id = $1 AND record = $2 ORDER BY patient", tenant, record),
            r => PatientId.Parse(r.GetString(0), null),
            cancellationToken);

    /// <summary>A patient with its cursors; null: not enrolled.</summary>
    public async Task<StoredSync?> LoadAsync(TenantId tenant, PatientId patient, CancellationToken cancellationToken)
    {
        SyncPatient? found = null;
        var cursors = new List<StoredCursor>();
        var seen = new Dictionary<string, List<byte[]>>(StringComparer.Ordinal);
        await using var session = await database.BeginSnapshotAsync(TenantScope.Of(tenant), cancellationToken);
        await session.ReadAsync(
            [
                Of($"SELECT {PatientColumns} FROM sync_patients WHERE tenant_id = $1 AND patient = $2", tenant, patient),
                Of("SELECT type, seen FROM sync_seen WHERE tenant_id = $1 AND patient = $2 ORDER BY type, version", tenant, patient),
                Of($"SELECT {CursorRows.Columns}, position, known FROM sync_cursors WHERE tenant_id = $1 AND patient = $2 ORDER BY type", tenant, patient),
            ],
            r =>
            {
                if (r.FieldCount == 2)
                {
                    (seen.TryGetValue(r.GetString(0), out var rows) ? rows : seen[r.GetString(0)] = []).Add((byte[])r.GetValue(1));
                }
                else if (r.FieldCount == CursorRows.ColumnCount + 2)
                {
                    var (status, version) = CursorRows.Read(r);
                    cursors.Add(new StoredCursor(status, version, Bytes(r, CursorRows.ColumnCount), Bytes(r, CursorRows.ColumnCount + 1), seen.GetValueOrDefault(status.Type, [])));
                }
                else
                {
                    found = ReadPatient(r);
                }

                return 0;
            },
            cancellationToken);
        return found is null ? null : new StoredSync(found, cursors);
    }

    /// <summary>A run has ended, or goes on later. What was hinted meanwhile stays, and makes it due at once.</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="before">The patient as the run has read it.</param>
    /// <param name="after">As it is to be; <see cref="SyncPatient.Hinted"/> is what is left of the hints that it has read.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public Task SettleAsync(TenantId tenant, SyncPatient before, SyncPatient after, CancellationToken cancellationToken) => database.ExecuteAsync(
        TenantScope.Of(tenant),
        [
            new Statement(
                """
                UPDATE sync_patients SET record = $3, due_us = CASE WHEN hinted = $5 THEN $4 ELSE $13 END,
                  hinted = CASE WHEN hinted = $5 THEN $6 ELSE hinted END, whole = CASE WHEN hinted = $5 THEN $7 ELSE whole END,
                  state = $8, failures = $9, completed_us = $10, problem = $11, run_us = CASE WHEN hinted = $5 THEN CAST($12 AS bigint) ELSE NULL END
                WHERE tenant_id = $1 AND patient = $2
                """)
                .With(tenant.Value).With(before.Patient.Value).With(after.Record?.Value).With(after.DueAt.ToMicroseconds()).With(before.Hinted).With(after.Hinted)
                .With(after.IsWhole ? 1L : 0L).With((long)after.State).With(after.Failures).With(after.CompletedAt?.ToMicroseconds())
                .With(after.Problem is { } problem ? JsonSerializer.Serialize(problem) : null).With(after.RunAt?.ToMicroseconds())
                .With(database.Time.GetUtcNow().ToMicroseconds()),
        ],
        cancellationToken);

    /// <summary>Something happened to resources of these types in records: the patients copied into them are due at <paramref name="at"/>. Not flushed.</summary>
    /// <returns>How many are concerned.</returns>
    public Task<int> HintAsync(
        TenantId tenant, IReadOnlyCollection<(PatientId Record, IReadOnlyCollection<string> Types)> hints, DateTimeOffset at, CancellationToken cancellationToken) =>
        database.ExecuteRelaxedAsync(
            TenantScope.Of(tenant),
            [
                .. hints.Select(hint => new Statement(
                    """
                    UPDATE sync_patients SET hinted = CASE WHEN hinted = '*' OR length(hinted) > 500 THEN '*' ELSE hinted || $3 END,
                      due_us = CASE WHEN due_us > $4 THEN $4 ELSE due_us END
                    WHERE tenant_id = $1 AND record = $2
                    """)
                    .With(tenant.Value).With(hint.Record.Value).With(string.Concat(hint.Types.Select(type => type + ","))).With(at.ToMicroseconds())),
            ],
            cancellationToken);

    /// <summary>Makes patients due now, or all (null).</summary>
    public Task RefreshAsync(TenantId tenant, IReadOnlyCollection<PatientId>? patients, bool isWhole, CancellationToken cancellationToken)
    {
        const string Set = "UPDATE sync_patients SET due_us = $2, hinted = '*', run_us = NULL, whole = CASE WHEN $3 = 1 THEN 1 ELSE whole END WHERE tenant_id = $1";
        var now = database.Time.GetUtcNow().ToMicroseconds();
        return database.ExecuteAsync(
            TenantScope.Of(tenant),
            patients is null
                ? [new Statement(Set).With(tenant.Value).With(now).With(isWhole ? 1L : 0L)]
                : [.. patients.Distinct().Select(patient => new Statement($"{Set} AND patient = $4").With(tenant.Value).With(now).With(isWhole ? 1L : 0L).With(patient.Value))],
            cancellationToken);
    }

    private static Statement Of(string sql, TenantId tenant, PatientId patient) => new Statement(sql).With(tenant.Value).With(patient.Value);

    private static byte[]? Bytes(System.Data.Common.DbDataReader r, int column) => r.IsDBNull(column) ? null : (byte[])r.GetValue(column);

    internal static SyncPatient ReadPatient(System.Data.Common.DbDataReader r) => new()
    {
        Patient = PatientId.Parse(r.GetString(0), null),
        Record = r.IsDBNull(1) ? null : PatientId.Parse(r.GetString(1), null),
        DueAt = Microseconds.FromMicroseconds(r.GetInt64(2)),
        Hinted = r.GetString(3),
        IsWhole = r.GetInt64(4) != 0,
        State = (SyncState)r.GetInt64(5),
        Failures = (int)r.GetInt64(6),
        CompletedAt = CursorRows.Time(r, 7),
        Problem = r.IsDBNull(8) ? null : JsonSerializer.Deserialize<Problem>(r.GetString(8)),
        RunAt = CursorRows.Time(r, 9),
    };
}

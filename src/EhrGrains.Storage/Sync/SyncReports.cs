using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Sync;

/// <summary>How the copies of a tenant stand, read from their rows. Thread-safe.</summary>
public sealed class SyncReports(Database database)
{
    private static readonly TimeSpan RateOver = TimeSpan.FromMinutes(10);

    /// <summary>How they stand as a whole.</summary>
    public async Task<TenantSyncStatus> StatusAsync(TenantId tenant, CancellationToken cancellationToken)
    {
        var now = database.Time.GetUtcNow();
        var counts = await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT count(*), count(CASE WHEN state = 0 THEN 1 END), count(CASE WHEN state = 1 THEN 1 END), count(CASE WHEN state = 2 THEN 1 END),
                  count(CASE WHEN due_us <= $2 THEN 1 END), count(CASE WHEN completed_us > $3 THEN 1 END), min(CASE WHEN completed_us > $3 THEN completed_us END),
                  (SELECT max(paused) FROM sync_tenants WHERE tenant_id = $1)
                FROM sync_patients WHERE tenant_id = $1
                """)
                .With(tenant.Value).With(now.ToMicroseconds()).With((now - RateOver).ToMicroseconds()),
            r => (
                Patients: (int)r.GetInt64(0), Waiting: (int)r.GetInt64(1), Complete: (int)r.GetInt64(2), Incomplete: (int)r.GetInt64(3), Due: (int)r.GetInt64(4),
                Recent: (int)r.GetInt64(5), Since: CursorRows.Time(r, 6), IsPaused: !r.IsDBNull(7) && r.GetInt64(7) != 0),
            cancellationToken);
        var (patients, waiting, complete, incomplete, due, recent, since, isPaused) = counts[0];

        // From the first of them on: a copy that has just begun has no ten minutes to be measured over.
        var minutes = since is { } first ? Math.Max((now - first).TotalMinutes, 0.1) : 0;
        var rate = recent > 1 ? recent / minutes : 0;
        return new TenantSyncStatus
        {
            IsPaused = isPaused,
            Patients = patients,
            Waiting = waiting,
            Complete = complete,
            Incomplete = incomplete,
            Due = due,
            PatientsPerMinute = Math.Round(rate, 1),
            TimeLeft = waiting == 0 ? TimeSpan.Zero : rate > 0 ? TimeSpan.FromMinutes(waiting / rate) : null,
        };
    }

    /// <summary>By resource type.</summary>
    public async Task<IReadOnlyList<SyncTypeTotals>> TotalsAsync(TenantId tenant, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT type, count(*), CAST(sum(complete) AS bigint), CAST(CASE WHEN count(said) = count(*) THEN sum(said) END AS bigint), CAST(sum(fetched) AS bigint),
                  CAST(sum(stored) AS bigint), CAST(sum(unchanged) AS bigint), CAST(sum(quarantined) AS bigint), CAST(sum(missing) AS bigint),
                  CAST(sum(deleted) AS bigint), CAST(sum(pages) AS bigint)
                FROM sync_cursors WHERE tenant_id = $1 AND finished_us IS NOT NULL GROUP BY type ORDER BY type
                """).With(tenant.Value),
            r => new SyncTypeTotals
            {
                Type = r.GetString(0),
                Patients = (int)r.GetInt64(1),
                Complete = (int)r.GetInt64(2),
                Counts = new SyncCounts
                {
                    Said = r.IsDBNull(3) ? null : (int)r.GetInt64(3),
                    Fetched = (int)r.GetInt64(4),
                    Stored = (int)r.GetInt64(5),
                    Unchanged = (int)r.GetInt64(6),
                    Quarantined = (int)r.GetInt64(7),
                    Missing = (int)r.GetInt64(8),
                    Deleted = (int)r.GetInt64(9),
                    Pages = (int)r.GetInt64(10),
                },
            },
            cancellationToken);

    /// <summary>Patients whose copy is not complete, at most <paramref name="countMax"/>.</summary>
    public async Task<IReadOnlyList<PatientId>> IncompleteAsync(TenantId tenant, int countMax, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement("SELECT patient FROM sync_patients WHERE tenant_id = $1 AND state <> 1 ORDER BY patient LIMIT $2").With(tenant.Value).With(countMax),
            r => PatientId.Parse(r.GetString(0), null),
            cancellationToken);

    /// <summary>
    /// Patients whose copy was complete at least once, with the record that each is copied into, in order of their ids; at most
    /// <paramref name="countMax"/>.
    /// </summary>
    public async Task<IReadOnlyList<(PatientId Patient, PatientId Record)>> CopiedAsync(TenantId tenant, int countMax, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                "SELECT patient, record FROM sync_patients WHERE tenant_id = $1 AND completed_us IS NOT NULL AND record IS NOT NULL ORDER BY patient LIMIT $2")
                .With(tenant.Value).With(countMax),
            r => (PatientId.Parse(r.GetString(0), null), PatientId.Parse(r.GetString(1), null)),
            cancellationToken);
}

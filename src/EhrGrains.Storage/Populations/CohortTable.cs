using System.Globalization;
using System.Text;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.Records;

namespace EhrGrains.Storage.Populations;

/// <summary>
/// The cohorts of all tenants, when each has something to do, and who belongs to it. What names a patient is stored sealed and found by a
/// keyed hash. Nothing here has to be fenced: a patient that is found twice is the same patient. Thread-safe.
/// </summary>
public sealed class CohortTable(Database database, KeyRing keys)
{
    /// <summary>The most cohorts of a tenant.</summary>
    public const int CountMax = 1_000;

    private const string Purpose = "cohort_member";

    private readonly BlindIndex blind = new(keys);

    /// <summary>Enters a cohort, or says when it has something to do.</summary>
    public Task SaveAsync(TenantId tenant, CohortId cohort, DateTimeOffset dueAt, CancellationToken cancellationToken) => database.ExecuteAsync(
        TenantScope.Of(tenant),
        [
            new Statement(
                "INSERT INTO cohorts (tenant_id, cohort, due_us) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, cohort) DO UPDATE SET due_us = excluded.due_us")
                .With(tenant.Value).With(cohort.Value).With(dueAt.ToMicroseconds()),
        ],
        cancellationToken);

    /// <summary>The cohorts of all tenants that have something to do, the longest due first.</summary>
    public async Task<IReadOnlyList<(TenantId Tenant, CohortId Cohort)>> DueAsync(DateTimeOffset now, int countMax, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Directory,
            new Statement("SELECT tenant_id, cohort FROM cohorts WHERE due_us <= $1 ORDER BY due_us LIMIT $2").With(now.ToMicroseconds()).With(countMax),
            r => (TenantId.Parse(r.GetString(0), CultureInfo.InvariantCulture), CohortId.Parse(r.GetString(1), CultureInfo.InvariantCulture)),
            cancellationToken);

    /// <summary>The cohorts of a tenant, in order of their ids.</summary>
    public async Task<IReadOnlyList<CohortId>> ListAsync(TenantId tenant, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement("SELECT cohort FROM cohorts WHERE tenant_id = $1 ORDER BY cohort LIMIT $2").With(tenant.Value).With(CountMax),
            r => CohortId.Parse(r.GetString(0), CultureInfo.InvariantCulture),
            cancellationToken);

    /// <summary>Adds patients by what names them; those that are there stay as they are, and stay though a Group names them no more.</summary>
    /// <returns>How many were new.</returns>
    public async Task<int> AddAsync(
        TenantId tenant, CohortId cohort, IReadOnlyCollection<string> names, DateTimeOffset dueAt, CancellationToken cancellationToken)
    {
        var set = await RowsAsync(tenant, cohort, names, dueAt, namedAt: null, cancellationToken);
        var added = await database.ExecuteAsync(
            TenantScope.Of(tenant), [.. set.InsertInto(database.Kind, "cohort_members", "ON CONFLICT (tenant_id, cohort, entry) DO NOTHING")], cancellationToken);
        if (added < set.Count)
        {
            await database.ExecuteAsync(
                TenantScope.Of(tenant),
                [.. set.InsertInto(
                    database.Kind, "cohort_members",
                    "ON CONFLICT (tenant_id, cohort, entry) DO UPDATE SET named_us = NULL WHERE cohort_members.named_us IS NOT NULL")],
                cancellationToken);
        }

        return added;
    }

    /// <summary>Adds patients whom the cohort's Group names; of those that are there it notes when.</summary>
    public async Task NameAsync(
        TenantId tenant, CohortId cohort, IReadOnlyCollection<string> names, DateTimeOffset at, CancellationToken cancellationToken)
    {
        var set = await RowsAsync(tenant, cohort, names, at, namedAt: at, cancellationToken);
        await database.ExecuteAsync(
            TenantScope.Of(tenant),
            [.. set.InsertInto(
                database.Kind, "cohort_members",
                "ON CONFLICT (tenant_id, cohort, entry) DO UPDATE SET named_us = excluded.named_us WHERE cohort_members.named_us IS NOT NULL")],
            cancellationToken);
    }

    /// <summary>
    /// Patients whom the cohort's Group has not named since <paramref name="before"/> and who belong to no other cohort of the tenant and by no
    /// other name to this one, after one of them.
    /// </summary>
    public async Task<IReadOnlyList<PatientId>> GoneAsync(
        TenantId tenant, CohortId cohort, DateTimeOffset before, string after, int countMax, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT DISTINCT m.patient FROM cohort_members m WHERE m.tenant_id = $1 AND m.cohort = $2 AND m.named_us < $3 AND m.patient > $4
                  AND NOT EXISTS (SELECT 1 FROM cohort_members o WHERE o.tenant_id = m.tenant_id AND o.patient = m.patient
                    AND (o.cohort <> m.cohort OR o.named_us IS NULL OR o.named_us >= $3))
                ORDER BY m.patient LIMIT $5
                """)
                .With(tenant.Value).With(cohort.Value).With(before.ToMicroseconds()).With(after).With(countMax),
            r => PatientId.Parse(r.GetString(0), CultureInfo.InvariantCulture),
            cancellationToken);

    /// <summary>Forgets those whom the cohort's Group has not named since <paramref name="before"/>.</summary>
    /// <returns>How many there were.</returns>
    public Task<int> ForgetGoneAsync(TenantId tenant, CohortId cohort, DateTimeOffset before, CancellationToken cancellationToken) => database.ExecuteAsync(
        TenantScope.Of(tenant),
        [Of("DELETE FROM cohort_members WHERE tenant_id = $1 AND cohort = $2 AND named_us < $3", tenant, cohort).With(before.ToMicroseconds())],
        cancellationToken);

    private async Task<RowSet> RowsAsync(
        TenantId tenant, CohortId cohort, IReadOnlyCollection<string> names, DateTimeOffset dueAt, DateTimeOffset? namedAt, CancellationToken cancellationToken)
    {
        var set = new RowSet("tenant_id text, cohort text, entry bytea, said bytea, state bigint, tries bigint, due_us bigint, named_us bigint");
        var distinct = names.Distinct(StringComparer.Ordinal).ToArray();
        var entries = await blind.OfAsync(tenant, Purpose, distinct, cancellationToken);
        for (var i = 0; i < distinct.Length; i++)
        {
            var said = await keys.SealAsync(
                tenant.Value, KeyClass.Id, Encoding.UTF8.GetBytes(distinct[i]), Place(cohort, entries[i]), cancellationToken);
            set.Add(tenant.Value, cohort.Value, entries[i], said, (long)MemberState.Waiting, 0L, dueAt.ToMicroseconds(), namedAt?.ToMicroseconds());
        }

        return set;
    }

    /// <summary>Adds patients as <see cref="AddAsync"/> does; those that were not found are looked up again, not sooner than they may be.</summary>
    public async Task AddAgainAsync(
        TenantId tenant, CohortId cohort, IReadOnlyCollection<string> names, DateTimeOffset dueAt, CancellationToken cancellationToken)
    {
        if (await AddAsync(tenant, cohort, names, dueAt, cancellationToken) == names.Count)
        {
            return;
        }

        var entries = await blind.OfAsync(tenant, Purpose, [.. names], cancellationToken);
        await database.ExecuteAsync(
            TenantScope.Of(tenant),
            [.. entries.Select(entry => new Statement("UPDATE cohort_members SET state = 0 WHERE tenant_id = $1 AND cohort = $2 AND entry = $3 AND state = $4")
                .With(tenant.Value).With(cohort.Value).With(entry).With((long)MemberState.NotFound))],
            cancellationToken);
    }

    /// <summary>The patients that are to be looked up now, the longest due first.</summary>
    public async Task<IReadOnlyList<WaitingMember>> WaitingAsync(
        TenantId tenant, CohortId cohort, DateTimeOffset now, int countMax, CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                "SELECT entry, said, tries FROM cohort_members WHERE tenant_id = $1 AND cohort = $2 AND state = 0 AND due_us <= $3 ORDER BY due_us LIMIT $4")
                .With(tenant.Value).With(cohort.Value).With(now.ToMicroseconds()).With(countMax),
            r => (Entry: (byte[])r.GetValue(0), Said: (byte[])r.GetValue(1), Tries: (int)r.GetInt64(2)),
            cancellationToken);
        var waiting = new List<WaitingMember>(rows.Count);
        foreach (var (entry, said, tries) in rows)
        {
            var name = await keys.OpenAsync(tenant.Value, KeyClass.Id, said, Place(cohort, entry), cancellationToken);
            waiting.Add(new WaitingMember(entry, Encoding.UTF8.GetString(name), tries));
        }

        return waiting;
    }

    /// <summary>When the next patient is to be looked up; null: none waits.</summary>
    public async Task<DateTimeOffset?> NextAsync(TenantId tenant, CohortId cohort, CancellationToken cancellationToken) =>
        (await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement("SELECT min(due_us) FROM cohort_members WHERE tenant_id = $1 AND cohort = $2 AND state = 0").With(tenant.Value).With(cohort.Value),
            r => r.IsDBNull(0) ? (DateTimeOffset?)null : Microseconds.FromMicroseconds(r.GetInt64(0)),
            cancellationToken)).Single();

    /// <summary>What came of looking patients up.</summary>
    public Task SettleAsync(TenantId tenant, CohortId cohort, IReadOnlyCollection<SettledMember> members, CancellationToken cancellationToken) =>
        database.ExecuteAsync(
            TenantScope.Of(tenant),
            [.. members.Select(member => new Statement(
                "UPDATE cohort_members SET state = $4, patient = $5, tries = tries + 1, due_us = $6, problem = $7 WHERE tenant_id = $1 AND cohort = $2 AND entry = $3")
                .With(tenant.Value).With(cohort.Value).With(member.Entry).With((long)member.State).With(member.Patient?.Value)
                .With(member.DueAt.ToMicroseconds()).With(member.Problem))],
            cancellationToken);

    /// <summary>Those that were not found, or are several, are looked up again.</summary>
    public Task RetryAsync(TenantId tenant, CohortId cohort, DateTimeOffset dueAt, CancellationToken cancellationToken) => database.ExecuteAsync(
        TenantScope.Of(tenant),
        [
            new Statement("UPDATE cohort_members SET state = 0, tries = 0, due_us = $3 WHERE tenant_id = $1 AND cohort = $2 AND state <> $4")
                .With(tenant.Value).With(cohort.Value).With(dueAt.ToMicroseconds()).With((long)MemberState.Enrolled),
        ],
        cancellationToken);

    /// <summary>How many patients are in each state.</summary>
    public async Task<IReadOnlyDictionary<MemberState, long>> CountAsync(TenantId tenant, CohortId cohort, CancellationToken cancellationToken) =>
        (await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement("SELECT state, count(*) FROM cohort_members WHERE tenant_id = $1 AND cohort = $2 GROUP BY state").With(tenant.Value).With(cohort.Value),
            r => ((MemberState)r.GetInt64(0), r.GetInt64(1)),
            cancellationToken)).ToDictionary();

    /// <summary>Patients in a stable order, after one of them.</summary>
    public async Task<IReadOnlyList<CohortMember>> ListAsync(
        TenantId tenant, CohortId cohort, byte[] after, MemberState? state, int countMax, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT entry, state, patient, problem FROM cohort_members
                WHERE tenant_id = $1 AND cohort = $2 AND entry > $3 AND ($4 < 0 OR state = $4) ORDER BY entry LIMIT $5
                """)
                .With(tenant.Value).With(cohort.Value).With(after).With((long?)state ?? -1L).With(countMax),
            r => new CohortMember(
                Convert.ToHexStringLower((byte[])r.GetValue(0)),
                (MemberState)r.GetInt64(1),
                r.IsDBNull(2) ? null : PatientId.Parse(r.GetString(2), CultureInfo.InvariantCulture),
                r.IsDBNull(3) ? null : r.GetString(3)),
            cancellationToken);

    /// <summary>Forgets a cohort with its patients and files.</summary>
    public Task RemoveAsync(TenantId tenant, CohortId cohort, CancellationToken cancellationToken) => database.ExecuteAsync(
        TenantScope.Of(tenant),
        [
            Of("DELETE FROM bulk_files WHERE tenant_id = $1 AND cohort = $2", tenant, cohort),
            Of("DELETE FROM cohort_members WHERE tenant_id = $1 AND cohort = $2", tenant, cohort),
            Of("DELETE FROM cohorts WHERE tenant_id = $1 AND cohort = $2", tenant, cohort),
        ],
        cancellationToken);

    /// <summary>The enrolled patients of a cohort that belong to no other one of the tenant, after one of them.</summary>
    public async Task<IReadOnlyList<PatientId>> OnlyHereAsync(
        TenantId tenant, CohortId cohort, string after, int countMax, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT DISTINCT m.patient FROM cohort_members m WHERE m.tenant_id = $1 AND m.cohort = $2 AND m.patient > $3
                  AND NOT EXISTS (SELECT 1 FROM cohort_members o WHERE o.tenant_id = m.tenant_id AND o.patient = m.patient AND o.cohort <> m.cohort)
                ORDER BY m.patient LIMIT $4
                """)
                .With(tenant.Value).With(cohort.Value).With(after).With(countMax),
            r => PatientId.Parse(r.GetString(0), CultureInfo.InvariantCulture),
            cancellationToken);

    /// <summary>The enrolled patients of a cohort, after one of them.</summary>
    public async Task<IReadOnlyList<PatientId>> PatientsAsync(
        TenantId tenant, CohortId cohort, string after, int countMax, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement("SELECT DISTINCT patient FROM cohort_members WHERE tenant_id = $1 AND cohort = $2 AND patient > $3 ORDER BY patient LIMIT $4")
                .With(tenant.Value).With(cohort.Value).With(after).With(countMax),
            r => PatientId.Parse(r.GetString(0), CultureInfo.InvariantCulture),
            cancellationToken);

    private static Statement Of(string sql, TenantId tenant, CohortId cohort) => new Statement(sql).With(tenant.Value).With(cohort.Value);

    private static byte[] Place(CohortId cohort, byte[] entry) => [.. Encoding.UTF8.GetBytes($"cohort_member\0{cohort.Value}\0"), .. entry];
}

/// <summary>A patient that is to be looked up. Prints without what names it.</summary>
/// <param name="Entry">The hash that stands for the name.</param>
/// <param name="Name">What names it.</param>
/// <param name="Tries">How often it was looked up.</param>
public sealed record WaitingMember(byte[] Entry, string Name, int Tries)
{
    /// <inheritdoc/>
    public override string ToString() => $"cohort member, try {Tries + 1}";
}

/// <summary>What came of looking a patient up.</summary>
/// <param name="Entry">The hash that stands for its name.</param>
/// <param name="State">How it stands.</param>
/// <param name="Patient">The EHR's Patient, if it was found.</param>
/// <param name="DueAt">When it is looked up again, if it still waits.</param>
/// <param name="Problem">The code of what went wrong.</param>
public sealed record SettledMember(byte[] Entry, MemberState State, PatientId? Patient, DateTimeOffset DueAt, string? Problem);

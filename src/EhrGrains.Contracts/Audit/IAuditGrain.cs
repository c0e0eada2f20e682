using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Audit;

/// <summary>
/// Asks the audit trail of one tenant, or of the cluster. A stateless worker; key: <see cref="GrainKeys.Tenant"/>, also of
/// <see cref="AuditChains.Cluster"/>.
/// </summary>
[Alias("ehr.IAuditGrain")]
public interface IAuditGrain : IGrainWithStringKey
{
    /// <summary>Walks the tenant's hash chain and names the first row that is edited, removed, inserted or out of order.</summary>
    [Alias("Verify"), Requires(Permission.Operate), ResponseTimeout("00:10:00")]
    Task<AuditVerification> VerifyAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Who touched a patient: rows from newest to oldest, at most <paramref name="countMax"/> (1–1,000), before sequence
    /// number <paramref name="before"/> (null: from the newest).
    /// </summary>
    [Alias("Who"), Requires(Permission.Operate)]
    Task<AuditEntry[]> WhoAsync(string patientId, long? before, int countMax, CancellationToken cancellationToken);
}

/// <summary>Audit chains that are not a tenant's.</summary>
public static class AuditChains
{
    /// <summary>The chain of what concerns no tenant: the registration of apps. No tenant can have this id.</summary>
    public static TenantId Cluster { get; } = TenantId.Parse("ehrgrains", System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>The result of a verification.</summary>
[GenerateSerializer, Immutable, Alias("ehr.AuditVerification")]
public sealed record AuditVerification
{
    /// <summary>True when every row is what was written, in order, from the first to the last.</summary>
    [Id(0)]
    public required bool Intact { get; init; }

    /// <summary>Rows checked.</summary>
    [Id(1)]
    public required long Rows { get; init; }

    /// <summary>The sequence number where the chain breaks; null when intact.</summary>
    [Id(2)]
    public long? BrokenAt { get; init; }

    /// <summary>What is wrong there; null when intact.</summary>
    [Id(3)]
    public string? Finding { get; init; }

    /// <summary>The head of the chain as hexadecimal SHA-256: hand it to the hospital, and a later rewrite of the whole chain shows.</summary>
    [Id(4)]
    public string? Head { get; init; }
}

/// <summary>One audit row as operators see it.</summary>
[GenerateSerializer, Immutable, Alias("ehr.AuditEntry")]
public sealed record AuditEntry
{
    /// <summary>Position in the tenant's chain, from 1.</summary>
    [Id(0)]
    public required long Sequence { get; init; }

    /// <summary>When, by the database's clock.</summary>
    [Id(1)]
    public required DateTimeOffset At { get; init; }

    /// <summary>Which app.</summary>
    [Id(2)]
    public required string App { get; init; }

    /// <summary>What: <c>search</c>, <c>read</c>, or an admin command.</summary>
    [Id(3)]
    public required string Action { get; init; }

    /// <summary>The resource type, where there is one.</summary>
    [Id(4)]
    public string? ResourceType { get; init; }

    /// <summary><c>intent</c>, or how it ended: the HTTP status.</summary>
    [Id(5)]
    public required string Outcome { get; init; }

    /// <summary>The sequence number of the intent that this outcome belongs to; null on an intent.</summary>
    [Id(6)]
    public long? Intent { get; init; }

    /// <summary>The trace id, to find the logs.</summary>
    [Id(7)]
    public string? TraceId { get; init; }
}

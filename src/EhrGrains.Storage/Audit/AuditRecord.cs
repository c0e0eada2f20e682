using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Storage.Audit;

/// <summary>
/// One thing that was, or is about to be, done with a tenant's data. Holds no PHI except the patients' ids, which are stored as
/// blind indexes only.
/// </summary>
public sealed record AuditRecord
{
    /// <summary>The <see cref="Outcome"/> of a row that is written before anything is done.</summary>
    public const string IntentOutcome = "intent";

    /// <summary>The tenant, whose chain the row joins.</summary>
    public required TenantId Tenant { get; init; }

    /// <summary>Which app, or <c>~</c> and the name of a part of this system. At most 64 characters.</summary>
    public required string App { get; init; }

    /// <summary>What: <c>search</c>, <c>read</c>, or an admin command. At most 64 characters.</summary>
    public required string Action { get; init; }

    /// <summary>The resource type, where there is one. At most 64 characters.</summary>
    public string? ResourceType { get; init; }

    /// <summary>The EHR's logical ids of the patients concerned; at most <see cref="AuditLog.PatientsMax"/>.</summary>
    public IReadOnlyList<string> Patients { get; init; } = [];

    /// <summary><see cref="IntentOutcome"/>, or how it ended: the HTTP status. At most 64 characters.</summary>
    public required string Outcome { get; init; }

    /// <summary>On an outcome: the sequence number of its intent.</summary>
    public long? Intent { get; init; }

    /// <summary>The trace id. At most 64 characters.</summary>
    public string? TraceId { get; init; }

    /// <summary>Where the request came from: an address or a listener. At most 64 characters.</summary>
    public string? Source { get; init; }

    /// <summary>On an outcome: how many resources left.</summary>
    public int? Entries { get; init; }
}

/// <summary>
/// The audit row was not committed in time: what it was for must not happen (503). The cause is logged; the writer recovers by
/// itself.
/// </summary>
public sealed class AuditUnavailableException(string reason, Exception? cause = null)
    : Exception($"The audit trail cannot be written now: {reason} Nothing was disclosed; try again.", cause);

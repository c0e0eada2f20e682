using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir;
using EhrGrains.Grains.Callers;

namespace EhrGrains.Grains.Query;

/// <summary>Who asks, and the tenant as it was when the query began.</summary>
internal sealed record QueryScope(TenantId Tenant, Caller Caller, TenantSnapshot Snapshot, TenantRules Rules)
{
    internal TenantSpec Spec => Snapshot.Spec;

    /// <summary>The hospital's zone: dates without an offset mean it.</summary>
    internal TimeZoneInfo Zone => Rules.Zone;

    /// <summary>The types that the caller might read by themselves, and so may have along with others.</summary>
    internal string[] Readable() => [.. ResourceTypes.All.Where(Admission.MayInclude(Caller, Snapshot))];
}

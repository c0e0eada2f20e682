using System.Collections.Concurrent;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Query;

/// <summary>
/// The prepared normalizers of this silo, one a tenant, made anew when the tenant has changed. At most 20,000; then all are
/// forgotten, for each is made again in well under a millisecond.
/// </summary>
internal sealed class Normalizers
{
    private const int CountMax = 20_000;

    private readonly ConcurrentDictionary<TenantId, TenantRules> prepared = new();

    /// <summary>The vendor profile and normalizer of a tenant as the snapshot says it is.</summary>
    /// <exception cref="ProblemException">The snapshot names a vendor that this version of the silo does not know.</exception>
    internal TenantRules For(TenantId tenant, TenantSnapshot snapshot)
    {
        if (prepared.TryGetValue(tenant, out var rules) && rules.Version == snapshot.Version)
        {
            return rules;
        }

        if (prepared.Count >= CountMax)
        {
            prepared.Clear();
        }

        return prepared[tenant] = Prepare(tenant, snapshot);
    }

    private static TenantRules Prepare(TenantId tenant, TenantSnapshot snapshot)
    {
        var spec = snapshot.Spec;
        var profile = VendorProfiles.For(snapshot) ?? throw new ProblemException(
            ProblemKind.Unavailable, "EHR-QRY-009", "connection.vendor", "This silo does not know the tenant's vendor profile; it may be older than the others.");
        var zone = TimeZoneInfo.FindSystemTimeZoneById(spec.TimeZone);
        return new TenantRules(
            snapshot.Version, profile, zone, new Normalizer(new NormalizationScope(tenant, new Uri(spec.Connection.BaseUrl), profile, zone)));
    }
}

/// <summary>What a tenant's data and wire need, as of one version of the tenant.</summary>
internal sealed record TenantRules(long Version, VendorProfile Profile, TimeZoneInfo Zone, Normalizer Normalizer);

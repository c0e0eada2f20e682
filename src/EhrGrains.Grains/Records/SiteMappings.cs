using System.Collections.Concurrent;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.V2;

namespace EhrGrains.Grains.Records;

/// <summary>
/// The compiled mapping of each tenant, by its site layer. Tenants without one share a mapping for their time zone. Thread-safe.
/// </summary>
internal sealed class SiteMappings
{
    /// <summary>Mappings of tenants held; when there are more, all are forgotten and compiled again as needed.</summary>
    private const int HeldMax = 1_000;

    private readonly ConcurrentDictionary<string, V2Mapping> shared = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<TenantId, (long Version, V2Mapping Mapping)> own = new();

    /// <summary>The mapping of a tenant as this version of it states it.</summary>
    /// <exception cref="ProblemException">The site layer has errors, all of them listed.</exception>
    internal V2Mapping Of(TenantId tenant, TenantSnapshot snapshot)
    {
        var (spec, zone) = (snapshot.Spec.Mapping, snapshot.Spec.TimeZone);
        if (IsEmpty(spec))
        {
            return shared.GetOrAdd(zone, static zone => Compile(zone, new MappingSpec()));
        }

        if (own.TryGetValue(tenant, out var held) && held.Version == snapshot.Version)
        {
            return held.Mapping;
        }

        if (own.Count >= HeldMax)
        {
            own.Clear();
        }

        var mapping = Compile(zone, spec);
        own[tenant] = (snapshot.Version, mapping);
        return mapping;
    }

    /// <summary>What is wrong with the site layer that a tenant is to have; empty when it can be compiled.</summary>
    internal static IReadOnlyList<Problem> Check(TenantSpec spec)
    {
        try
        {
            _ = IsEmpty(spec.Mapping) ? null : Compile(spec.TimeZone, spec.Mapping);
            return [];
        }
        catch (ProblemException e)
        {
            return e.Problems;
        }
    }

    private static bool IsEmpty(MappingSpec spec) => spec is { Authorities.Count: 0, Codes.Length: 0, Rules.Length: 0 };

    /// <summary>Compiles a site layer.</summary>
    /// <exception cref="ProblemException">It has errors, all of them listed.</exception>
    internal static V2Mapping Compile(string timeZone, MappingSpec spec) => V2Mapping.Compile(new SiteLayer
    {
        TimeZone = timeZone,
        Authorities = spec.Authorities,
        Codes = [.. spec.Codes.Select(code => new SiteCode(code.Field, code.From, code.System, code.Code, code.Display))],
        Rules = spec.Rules,
    });
}

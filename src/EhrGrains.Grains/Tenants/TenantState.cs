using System.Collections.Immutable;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Credentials;

namespace EhrGrains.Grains.Tenants;

/// <summary>All that is stored of a tenant. Immutable: each change is a new one, written whole.</summary>
[GenerateSerializer, Immutable, Alias("ehr.state.Tenant")]
internal sealed record TenantState
{
    /// <summary>Counts committed changes, from 1; 0: not registered.</summary>
    [Id(0)]
    public long Version { get; init; }

    /// <summary>What the operator stated; null only before the first registration.</summary>
    [Id(1)]
    public TenantSpec? Spec { get; init; }

    [Id(2)]
    public Lifecycle Lifecycle { get; init; }

    /// <summary>Where a suspended tenant was.</summary>
    [Id(3)]
    public Lifecycle SuspendedFrom { get; init; }

    [Id(4)]
    public ImmutableArray<Credential> Credentials { get; init; } = [];

    [Id(5)]
    public ImmutableArray<Grant> Grants { get; init; } = [];

    [Id(6)]
    public string? PinnedTokenEndpoint { get; init; }

    /// <summary>What the last look at the site found to differ from its vendor profile.</summary>
    [Id(7)]
    public string? ProbedProfile { get; init; }
}

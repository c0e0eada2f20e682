using EhrGrains.Contracts.Callers;

namespace EhrGrains.Contracts.Quirks;

/// <summary>
/// What a site says of itself and its vendor profile does not, since when, and what changed. Looks once a day while the tenant is open.
/// Key: <see cref="GrainKeys.Tenant"/>.
/// </summary>
[Alias("ehr.IQuirkLedgerGrain")]
public interface IQuirkLedgerGrain : IGrainWithStringKey
{
    /// <summary>Reads the site's CapabilityStatement now, without a token, and notes what differs.</summary>
    /// <exception cref="ProblemException">NotFound: no such tenant. Conflict: the tenant is not open, nothing is sent to the hospital.</exception>
    [Alias("Look"), Requires(Permission.Operate), ResponseTimeout("00:01:00")]
    Task<QuirkLedger> LookAsync(CancellationToken cancellationToken);

    /// <summary>What is known.</summary>
    [Alias("Describe"), Requires(Permission.Operate)]
    Task<QuirkLedger> DescribeAsync(CancellationToken cancellationToken);

    /// <summary>The tenant was opened: looks from now on once a day.</summary>
    [Alias("Watch"), Requires(Permission.Internal)]
    Task WatchAsync(CancellationToken cancellationToken);
}

/// <summary>What is known of how a site differs from its vendor profile.</summary>
[GenerateSerializer, Immutable, Alias("ehr.QuirkLedger")]
public sealed record QuirkLedger
{
    /// <summary>When the site was last looked at and answered; null: never.</summary>
    [Id(0)]
    public DateTimeOffset? LookedAt { get; init; }

    /// <summary>The EHR's software and version as it says; null: not known.</summary>
    [Id(1)]
    public string? Software { get; init; }

    /// <summary>What differs now, by path.</summary>
    [Id(2)]
    public Quirk[] Quirks { get; init; } = [];

    /// <summary>What changed between two looks, newest first; at most 100.</summary>
    [Id(3)]
    public QuirkChange[] Changes { get; init; } = [];

    /// <summary>Why the last look learned nothing; null: it did.</summary>
    [Id(4)]
    public Problem? Failure { get; init; }
}

/// <summary>Something that a site says of itself and its vendor profile does not.</summary>
/// <param name="Path">Where in the profile, for example <c>resources.Condition.search</c>.</param>
/// <param name="Documented">What the profile says.</param>
/// <param name="Found">What the site says.</param>
/// <param name="Adopted">Whether the site's word holds.</param>
/// <param name="Since">When it was first seen.</param>
[GenerateSerializer, Immutable, Alias("ehr.Quirk")]
public sealed record Quirk(
    [property: Id(0)] string Path, [property: Id(1)] string Documented, [property: Id(2)] string Found, [property: Id(3)] bool Adopted,
    [property: Id(4)] DateTimeOffset Since);

/// <summary>Something that a site said otherwise than at the look before.</summary>
/// <param name="At">When it was seen.</param>
/// <param name="Path">Where in the profile, or <c>software</c>.</param>
/// <param name="Before">What it was; null: as the profile says.</param>
/// <param name="After">What it is; null: as the profile says.</param>
[GenerateSerializer, Immutable, Alias("ehr.QuirkChange")]
public sealed record QuirkChange(
    [property: Id(0)] DateTimeOffset At, [property: Id(1)] string Path, [property: Id(2)] string? Before, [property: Id(3)] string? After);

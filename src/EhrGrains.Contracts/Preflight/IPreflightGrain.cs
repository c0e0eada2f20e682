using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Query;
using Orleans.Concurrency;

namespace EhrGrains.Contracts.Preflight;

/// <summary>
/// Tries a site from inside the cluster, where egress rules, tokens and the budget are, and says what is to be changed at the hospital
/// or here. Keeps nothing. Key: <see cref="GrainKeys.Tenant"/>.
/// </summary>
[Alias("ehr.IPreflightGrain")]
public interface IPreflightGrain : IGrainWithStringKey
{
    /// <summary>What a run would do, before it is begun. Nothing is sent.</summary>
    /// <exception cref="ProblemException">NotFound: no such tenant. Invalid: the request has errors, all of them listed.</exception>
    [Alias("Plan"), Requires(Permission.Operate), AlwaysInterleave]
    Task<PreflightPlan> PlanAsync(PreflightRequest request, CancellationToken cancellationToken);

    /// <summary>Runs the checks, one run at a time; it ends by itself within <see cref="PreflightRequest.Seconds"/>.</summary>
    /// <exception cref="ProblemException">As <see cref="PlanAsync"/>. Conflict: one is under way. Unavailable: it cannot be audited.</exception>
    [Alias("Run"), Requires(Permission.Operate), AlwaysInterleave, ResponseTimeout("00:11:00")]
    Task<PreflightReport> RunAsync(PreflightRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// What the run under way has found since check number <paramref name="after"/>; waits up to 5 s for something new. Empty when
    /// nothing was found meanwhile or no run is under way.
    /// </summary>
    [Alias("Progress"), Requires(Permission.Operate), AlwaysInterleave]
    Task<PreflightCheck[]> ProgressAsync(int after, CancellationToken cancellationToken);
}

/// <summary>What is to be tried.</summary>
[GenerateSerializer, Immutable, Alias("ehr.PreflightRequest")]
public sealed record PreflightRequest
{
    /// <summary>The longest that a run may be given, in seconds.</summary>
    public const int SecondsMax = 600;

    /// <summary>
    /// The logical id of a test patient, as the gateway has it; null: what needs a patient is skipped. The report does not repeat it.
    /// </summary>
    [Id(0)]
    public string? Patient { get; init; }

    /// <summary>Resource types to try, as copies search them; with no searches either: those that the tenant copies. At most 64.</summary>
    [Id(1)]
    public string[] Types { get; init; } = [];

    /// <summary>Whether outbound feeds are sent a message that is acknowledged and means nothing (NMD^N02); else they are only connected to.</summary>
    [Id(2)]
    public bool Send { get; init; }

    /// <summary>The most FHIR requests that are sent. 10–1,000; default 200.</summary>
    [Id(3)]
    public int RequestsMax { get; init; } = 200;

    /// <summary>Searches to try in place of those that copies make, for example a data contract's. At most 200.</summary>
    [Id(4)]
    public PreflightSearch[] Searches { get; init; } = [];

    /// <summary>After how many seconds the run ends, with what was found until then. 5–<see cref="SecondsMax"/>; default 270.</summary>
    [Id(5)]
    public int Seconds { get; init; } = 270;

    /// <summary>Prints without the patient.</summary>
    public override string ToString() => $"preflight of {Types.Length} types, {RequestsMax} requests";
}

/// <summary>A search to try.</summary>
/// <param name="Type">The resource type.</param>
/// <param name="Parameters">The parameters beside the patient's; one with an empty value is not tried. At most 16.</param>
/// <param name="IsMust">Whether a site that refuses it fails; else that is a warning.</param>
[GenerateSerializer, Immutable, Alias("ehr.PreflightSearch")]
public sealed record PreflightSearch([property: Id(0)] string Type, [property: Id(1)] SearchParameter[] Parameters, [property: Id(2)] bool IsMust = true);

/// <summary>What a run would do.</summary>
/// <param name="Requests">FHIR requests that it sends at most.</param>
/// <param name="Types">Resource types that it tries.</param>
[GenerateSerializer, Immutable, Alias("ehr.PreflightPlan")]
public sealed record PreflightPlan([property: Id(0)] int Requests, [property: Id(1)] string[] Types);

/// <summary>How a check ended.</summary>
[GenerateSerializer, Alias("ehr.PreflightState")]
public enum PreflightState
{
    /// <summary>As it should be.</summary>
    Passed = 0,

    /// <summary>It goes on so, with a loss or a risk.</summary>
    Warning = 1,

    /// <summary>It does not work so.</summary>
    Failed = 2,

    /// <summary>Not tried; what was seen says why.</summary>
    Skipped = 3,
}

/// <summary>Who is to change something.</summary>
[GenerateSerializer, Alias("ehr.PreflightOwner")]
public enum PreflightOwner
{
    /// <summary>The hospital, or its EHR vendor.</summary>
    Hospital = 0,

    /// <summary>The operator of this cluster.</summary>
    Operator = 1,
}

/// <summary>What one check found. Holds no patient data.</summary>
/// <param name="Code">Stable code, for example <c>EHR-PRE-207</c>.</param>
/// <param name="Name">Its name, for example <c>tls.expiry</c>.</param>
/// <param name="Target">Which of several: a search, a feed, a host; null: there is one.</param>
/// <param name="State">How it ended.</param>
/// <param name="Seen">What was seen, or why it was skipped.</param>
/// <param name="Change">What is to be changed; null: nothing.</param>
/// <param name="Owner">Who changes it.</param>
[GenerateSerializer, Immutable, Alias("ehr.PreflightCheck")]
public sealed record PreflightCheck(
    [property: Id(0)] string Code,
    [property: Id(1)] string Name,
    [property: Id(2)] string? Target,
    [property: Id(3)] PreflightState State,
    [property: Id(4)] string Seen,
    [property: Id(5)] string? Change,
    [property: Id(6)] PreflightOwner Owner);

/// <summary>What a run found.</summary>
[GenerateSerializer, Immutable, Alias("ehr.PreflightReport")]
public sealed record PreflightReport
{
    /// <summary>The tenant.</summary>
    [Id(0)]
    public required string Tenant { get; init; }

    /// <summary>The hospital's name.</summary>
    [Id(1)]
    public required string DisplayName { get; init; }

    /// <summary>The vendor profile.</summary>
    [Id(2)]
    public required string Vendor { get; init; }

    /// <summary>The FHIR base URL that was tried.</summary>
    [Id(3)]
    public required string BaseUrl { get; init; }

    /// <summary>When the run began.</summary>
    [Id(4)]
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>How long it took.</summary>
    [Id(5)]
    public required TimeSpan Duration { get; init; }

    /// <summary>FHIR requests that were sent.</summary>
    [Id(6)]
    public required int Requests { get; init; }

    /// <summary>What was found, in the order of the checks.</summary>
    [Id(7)]
    public required PreflightCheck[] Checks { get; init; }
}

using EhrGrains.Connect;
using EhrGrains.Connect.Preflight;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Query;
using EhrGrains.Grains.Tokens;
using EhrGrains.Storage.Ids;

namespace EhrGrains.Grains.Preflight;

/// <summary>What checks are made with.</summary>
internal sealed record PreflightTools(
    EhrLine Line, SiteProbes Probes, ConnectOptions Connect, ConnectMetrics ConnectMetrics, TokenRequests Tokens, IdAliasTable Aliases,
    QueryAudit Audit, IGrainFactory Grains, TimeProvider Time);

/// <summary>The site that is tried, and what is to be tried of it.</summary>
internal sealed record PreflightSite(TenantId Tenant, TenantDescription Description, VendorProfile Profile, PreflightRequest Request)
{
    /// <summary>What the operator stated.</summary>
    internal TenantSpec Spec => Description.Spec;

    /// <summary>The FHIR endpoint.</summary>
    internal ConnectionSpec Connection => Description.Spec.Connection;

    /// <summary>Whether anything may be sent to the hospital.</summary>
    internal bool IsOpen => Description.Lifecycle is Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live;

    /// <summary>The types that are tried, with how the vendor's are searched.</summary>
    internal IReadOnlyList<TriedType> Types { get; } =
        Request.Types.Length + Request.Searches.Length == 0
            ? [.. Profile.Sync.Types.Where(type => Description.Spec.Sync.Types is [] || Description.Spec.Sync.Types.Contains(type.Key)).Select(type => TriedType.Of(type.Key, type.Value))]
            :
            [
                .. Request.Types.Distinct(StringComparer.Ordinal).Select(type => TriedType.Of(type, Profile.Sync.Types.GetValueOrDefault(type) ?? new SyncTypeRules())),
                .. Request.Searches.GroupBy(search => search.Type).Select(searches => new TriedType(
                    searches.Key, Profile.Sync.Types.GetValueOrDefault(searches.Key) ?? new SyncTypeRules(), [.. searches.Select(search => search.Parameters)])
                {
                    IsMust = searches.Any(search => search.IsMust),
                }),
            ];

    /// <summary>The types among them that are found by a search.</summary>
    internal IEnumerable<TriedType> Searched => Types.Where(type => type.Searches.Count > 0);

    /// <summary>How a reading of a FHIR URL is spelled.</summary>
    internal string Url(string path) => $"{Connection.BaseUrl.TrimEnd('/')}/{path}";

    /// <summary>FHIR requests of a whole run, at most.</summary>
    internal int RequestsPlanned => Math.Min(
        Request.RequestsMax,
        Request.Patient is null
            ? DiscoveryChecks.Requests + AnswerChecks.RequestsWithoutPatient
            : DiscoveryChecks.Requests + Searched.Sum(type => type.Searches.Count) + PagingChecks.Requests + AnswerChecks.Requests);
}

/// <summary>A resource type that is tried.</summary>
/// <param name="Type">The type.</param>
/// <param name="Rules">How it is copied; the defaults where it is not.</param>
/// <param name="Searches">The searches, each the parameters beside the patient's; none: it is read where something refers to it.</param>
internal sealed record TriedType(string Type, SyncTypeRules Rules, IReadOnlyList<SearchParameter[]> Searches)
{
    /// <summary>Whether somebody needs it, who named it.</summary>
    internal bool IsMust { get; init; } = true;

    internal static TriedType Of(string type, SyncTypeRules rules) => new(
        type, rules, rules.Strategy == SyncStrategy.ByReference ? [] : [.. rules.Searches.Select(search => search.Select(p => new SearchParameter(p.Key, p.Value)).ToArray())]);
}

using System.Buffers;
using System.Text;
using EhrGrains.Connect.Searching;
using EhrGrains.Connect.Smart;
using EhrGrains.Connect.Tests.Peers;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Tests.Vendors;

/// <summary>A site of one vendor, as the profile that is shipped has it.</summary>
internal sealed class Site(string vendor)
{
    private const string GatewayBase = "https://gateway.example/fhir/st-mary";

    public VendorProfile Profile { get; } = VendorProfiles.Find(vendor)!;

    public string AskedScopes => Scopes.Compose(Tenant.Connection, Profile);

    private TenantSpec Tenant => Rig.TenantAt(
        Rig.Connection("https://ehr.example/r4") with { Vendor = vendor, Settings = new() { ["practice"] = "195900" } });

    /// <summary>Plans <c>Type?name=value&amp;…</c>.</summary>
    public SearchPlan Plan(string search)
    {
        var parts = search.Split('?');
        return SearchPlanner.Plan(
            new FhirSearch
            {
                Type = parts[0],
                Parameters = [.. parts[1].Split('&', StringSplitOptions.RemoveEmptyEntries).Select(p => p.Split('=')).Select(p => new SearchParameter(p[0], p[1]))],
                GatewayBase = GatewayBase,
                Handling = SearchHandling.Strict,
            },
            Tenant,
            Profile);
    }

    public bool Takes(string search) => Plan(search).Request is not null;

    public string Sent(string search)
    {
        var request = Plan(search).Request.ShouldNotBeNull();
        return request.Form is { } form ? string.Join('&', form.Select(p => $"{p.Name}={p.Value}")) : request.Url.Split('?')[1];
    }

    public SearchPlan Read(string type, string id) =>
        SearchPlanner.PlanRead(new FhirRead { Type = type, Id = id, GatewayBase = GatewayBase }, Tenant, Profile);

    public SearchPlan Next(string url) => SearchPlanner.PlanNext(url, Tenant, Profile);

    public PageResult Page(string bundle, string type = "Observation") => Normalizer().NormalizePage(
        Encoding.UTF8.GetBytes(bundle), new PageRequest(type, GatewayBase), new ArrayBufferWriter<byte>());

    /// <summary>A searchset with nothing but an OperationOutcome of one code.</summary>
    public PageResult Outcome(string code, string severity = "warning", string issue = "processing") => Page($$$"""
        {"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"OperationOutcome","issue":[
        {"severity":"{{{severity}}}","code":"{{{issue}}}","details":{"coding":[{"system":"urn:oid:1.2.840.114350.1.13.0.1.7.2.657369","code":"{{{code}}}"}]}}]},
        "search":{"mode":"outcome"}}]}
        """);

    public (string Json, ResourceResult Result) Normalize(string resource)
    {
        var output = new ArrayBufferWriter<byte>();
        var result = Normalizer().NormalizeResource(Encoding.UTF8.GetBytes(resource), output);
        return (Encoding.UTF8.GetString(output.WrittenSpan), result);
    }

    public SyncTypeRules Sync(string type) => Profile.Sync.Types[type];

    private Normalizer Normalizer() => new(new NormalizationScope(
        TenantId.Parse("st-mary", null), new Uri("https://ehr.example/r4"), Profile, TimeZoneInfo.FindSystemTimeZoneById("America/Chicago")));
}

using System.Buffers;
using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.Tests.Normalization;

/// <summary>A tenant whose data the tests normalize.</summary>
internal static class Hospital
{
    internal const string GatewayBase = "https://gateway.example/fhir/st-mary";
    internal const string EhrBase = "https://ehr.example/api/FHIR/R4";

    internal static Normalizer Of(string vendor, string ehrBase = EhrBase) => new(new NormalizationScope(
        TenantId.Parse("st-mary", null), new Uri(ehrBase), VendorProfiles.Find(vendor)!, TimeZoneInfo.FindSystemTimeZoneById("America/Chicago")));

    internal static (JsonNode Resource, ResourceResult Result) Normalize(string resource, string vendor = "us-core")
    {
        var output = new ArrayBufferWriter<byte>();
        var result = Of(vendor).NormalizeResource(Encoding.UTF8.GetBytes(resource), output);
        return (JsonNode.Parse(output.WrittenSpan)!, result);
    }

    internal static (JsonArray Entries, PageResult Result) NormalizePage(string bundle, string type = "Patient", string vendor = "us-core", Func<string, bool>? mayInclude = null)
    {
        var output = new ArrayBufferWriter<byte>();
        var result = Of(vendor).NormalizePage(Encoding.UTF8.GetBytes(bundle), new PageRequest(type, GatewayBase, mayInclude), output);
        return (JsonNode.Parse([(byte)'[', .. output.WrittenSpan, (byte)']'])!.AsArray(), result);
    }

    internal static string Page(params string[] entries) =>
        $$"""{"resourceType":"Bundle","type":"searchset","entry":[{{string.Join(",", entries)}}]}""";

    internal static string Entry(string resource, string mode = "match") =>
        $$$"""{"fullUrl":"https://ehr.example/x","resource":{{{resource}}},"search":{"mode":"{{{mode}}}"}}""";

    /// <summary>A resource with all that US Core requires, so that only the rule under test acts.</summary>
    internal static string Patient(string id, string more = "") =>
        $$"""{"resourceType":"Patient","id":"{{id}}","identifier":[{"system":"urn:x","value":"1"}],"name":[{"family":"Doe"}],"gender":"female"{{more}}}""";
}

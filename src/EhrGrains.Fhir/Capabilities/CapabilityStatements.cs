using System.Buffers;
using System.Globalization;
using System.Text.Json;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.Capabilities;

/// <summary>Writes the CapabilityStatement of the normalized surface: what a caller may ask of a tenant, and no more.</summary>
public static class CapabilityStatements
{
    private const string SecurityService = "http://terminology.hl7.org/CodeSystem/restful-security-service";
    private const string OAuthUris = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";
    private const string ObservationValue = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

    private static readonly string Version = typeof(CapabilityStatements).Assembly.GetName().Version!.ToString(3);

    /// <summary>Writes it.</summary>
    /// <param name="profile">What the tenant's EHR can do.</param>
    /// <param name="gatewayBase">The gateway's FHIR base of the tenant.</param>
    /// <param name="tokenEndpoint">Where apps get their tokens; null: not known to whoever asks.</param>
    /// <param name="tenantName">The tenant's name for people.</param>
    /// <param name="date">When what it says last changed.</param>
    /// <param name="summary">Whether to leave out what FHIR R4 does not count to the summary: the search parameters.</param>
    public static byte[] Write(
        VendorProfile profile, string gatewayBase, string? tokenEndpoint, string tenantName, DateTimeOffset date, bool summary)
    {
        var buffer = new ArrayBufferWriter<byte>(16 * 1024);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("resourceType"u8, "CapabilityStatement"u8);
        if (summary)
        {
            // R4 search.html#summary: a resource that is not whole says so.
            json.WriteStartObject("meta"u8);
            json.WriteStartArray("tag"u8);
            WriteCoding(json, ObservationValue, "SUBSETTED");
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteString("status"u8, "active"u8);
        json.WriteString("date"u8, date.ToString("yyyy-MM-ddTHH:mm:sszzz", CultureInfo.InvariantCulture));
        json.WriteString("kind"u8, "instance"u8);
        json.WriteStartObject("software"u8);
        json.WriteString("name"u8, "EhrGrains"u8);
        json.WriteString("version"u8, Version);
        json.WriteEndObject();
        json.WriteStartObject("implementation"u8);
        json.WriteString("description"u8, $"{tenantName}: {profile.Name}, normalized");
        json.WriteString("url"u8, gatewayBase);
        json.WriteEndObject();
        json.WriteString("fhirVersion"u8, "4.0.1"u8);
        json.WriteStartArray("format"u8);
        json.WriteStringValue("application/fhir+json"u8);
        json.WriteStringValue("json"u8);
        json.WriteEndArray();
        json.WriteStartArray("rest"u8);
        WriteRest(json, profile, tokenEndpoint, summary);
        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteRest(Utf8JsonWriter json, VendorProfile profile, string? tokenEndpoint, bool summary)
    {
        json.WriteStartObject();
        json.WriteString("mode"u8, "server"u8);
        json.WriteStartObject("security"u8);
        if (tokenEndpoint is not null)
        {
            WriteOAuthUris(json, tokenEndpoint);
        }

        json.WriteStartArray("service"u8);
        json.WriteStartObject();
        json.WriteStartArray("coding"u8);
        WriteCoding(json, SecurityService, "SMART-on-FHIR");
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteStartArray("resource"u8);
        foreach (var type in profile.Resources.Keys.Union(RecordCapabilities.Types, StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            WriteResource(json, profile, type, profile.Resources.GetValueOrDefault(type), summary);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    // Since SMART App Launch 2.0 .well-known/smart-configuration is the place for this. Clients that read both, and go by what
    // arrives first, must find the same in either.
    private static void WriteOAuthUris(Utf8JsonWriter json, string tokenEndpoint)
    {
        json.WriteStartArray("extension"u8);
        json.WriteStartObject();
        json.WriteString("url"u8, OAuthUris);
        json.WriteStartArray("extension"u8);
        json.WriteStartObject();
        json.WriteString("url"u8, "token"u8);
        json.WriteString("valueUri"u8, tokenEndpoint);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
    }

    // What the hospital's EHR takes, and beside it what the patient records do: a parameter of theirs alone says so.
    private static void WriteResource(Utf8JsonWriter json, VendorProfile profile, string type, ResourceRules? rules, bool summary)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, type);
        if (!summary)
        {
            json.WriteString("documentation"u8, DocumentationOf(type, rules));
        }

        json.WriteStartArray("interaction"u8);
        WriteInteraction(json, "read"u8);
        WriteInteraction(json, "vread"u8);
        WriteInteraction(json, "history-instance"u8);
        WriteInteraction(json, "search-type"u8);
        if (profile.Writes.Create.Contains(type))
        {
            WriteInteraction(json, "create"u8);
        }

        if (profile.Writes.Update.Contains(type))
        {
            WriteInteraction(json, "update"u8);
        }

        json.WriteEndArray();
        json.WriteString("versioning"u8, "versioned"u8);
        if (!summary)
        {
            WriteTexts(json, "searchInclude"u8, [.. (rules?.Include ?? []).Union(RecordCapabilities.IncludesOf(type), StringComparer.Ordinal)]);
            WriteTexts(json, "searchRevInclude"u8, [.. (rules?.RevInclude ?? []).Union(RecordCapabilities.RevIncludes, StringComparer.Ordinal)]);
            WriteParameters(json, profile, type, rules);
        }

        if (type == "Patient")
        {
            json.WriteStartArray("operation"u8);
            json.WriteStartObject();
            json.WriteString("name"u8, "everything"u8);
            json.WriteString("definition"u8, "http://hl7.org/fhir/OperationDefinition/Patient-everything"u8);
            json.WriteEndObject();
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static string DocumentationOf(string type, ResourceRules? rules)
    {
        var ehr = rules is null ? "The hospital's EHR is not asked for it."
            : rules.RequiredAnyOf.Count == 0 ? "Asked of the hospital's EHR unless Cache-Control allows a copy."
            : $"A search of the hospital's EHR needs {string.Join(", or ", rules.RequiredAnyOf.Select(c => string.Join(" with ", c)))}.";
        return $"{ehr} The patient records answer with Cache-Control max-age or only-if-cached: {RecordCapabilities.NeedsOf(type)}; they alone have versions and history.";
    }

    private static void WriteParameters(Utf8JsonWriter json, VendorProfile profile, string type, ResourceRules? rules)
    {
        json.WriteStartArray("searchParam"u8);
        var written = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in rules?.Search ?? [])
        {
            // _include and _revinclude have no type: searchInclude and searchRevInclude say what they take.
            if (SearchParameterTypes.Find(type, name, profile.Search.OwnParameters) is { } parameterType && written.Add(name))
            {
                WriteParameter(json, name, parameterType, null);
            }
        }

        WriteParameter(json, "_count", "number", null);
        foreach (var (name, kind) in RecordCapabilities.ParametersOf(type))
        {
            if (written.Add(name))
            {
                WriteParameter(json, name, kind, RecordCapabilities.OfRecords);
            }
        }

        json.WriteEndArray();
    }

    private static void WriteInteraction(Utf8JsonWriter json, ReadOnlySpan<byte> code)
    {
        json.WriteStartObject();
        json.WriteString("code"u8, code);
        json.WriteEndObject();
    }

    private static void WriteParameter(Utf8JsonWriter json, string name, string type, string? documentation)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, name);
        json.WriteString("type"u8, type);
        if (documentation is not null)
        {
            json.WriteString("documentation"u8, documentation);
        }

        json.WriteEndObject();
    }

    private static void WriteTexts(Utf8JsonWriter json, ReadOnlySpan<byte> name, IReadOnlyList<string> texts)
    {
        if (texts.Count == 0)
        {
            return;
        }

        json.WriteStartArray(name);
        foreach (var text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }

    private static void WriteCoding(Utf8JsonWriter json, string system, string code)
    {
        json.WriteStartObject();
        json.WriteString("system"u8, system);
        json.WriteString("code"u8, code);
        json.WriteEndObject();
    }
}

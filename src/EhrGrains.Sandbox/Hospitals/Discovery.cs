using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Vendors;

namespace EhrGrains.Sandbox.Hospitals;

/// <summary>What a hospital says about itself to anyone: SMART configuration and CapabilityStatement.</summary>
internal sealed class Discovery(IVendor vendor, string origin)
{
    private readonly byte[] smart = JsonText.Write(Smart(vendor, origin));
    private readonly byte[] capabilities = JsonText.Write(Capabilities(vendor, origin));

    /// <summary><c>.well-known/smart-configuration</c> (SMART App Launch 2.2, conformance).</summary>
    public Answer SmartConfiguration => new(200, "application/json", smart);

    public Answer CapabilityStatement => new(200, Answer.FhirJson, capabilities);

    private static JsonObject Smart(IVendor vendor, string origin)
    {
        var facts = vendor.Facts;
        var document = new JsonObject
        {
            ["issuer"] = facts.Issuer switch { null => origin + facts.FhirPath, ['/', ..] path => origin + path, var absolute => absolute },
            ["token_endpoint"] = origin + facts.TokenPath,
            [facts.AuthMethodsMember] = Strings(vendor.Tokens.AdvertisedMethods),
            ["token_endpoint_auth_signing_alg_values_supported"] = Strings(["RS384", "ES384"]),
            ["grant_types_supported"] = Strings(["client_credentials"]),
            ["capabilities"] = Strings(vendor.Tokens.VersionOne
                ? ["client-confidential-symmetric", "client-confidential-asymmetric", "permission-v1", "permission-v2"]
                : ["client-confidential-asymmetric", "permission-v2"]),
            ["code_challenge_methods_supported"] = Strings(["S256"]),
        };
        if (facts.ScopesSupported is { } scopes)
        {
            document["scopes_supported"] = Strings(scopes is ["types"]
                ? vendor.Searches.Types.Keys.SelectMany(type => (string[])[$"system/{type}.read", $"system/{type}.rs"])
                : scopes);
        }

        return document;
    }

    private static JsonObject Capabilities(IVendor vendor, string origin)
    {
        var facts = vendor.Facts;
        return new JsonObject
        {
            ["resourceType"] = "CapabilityStatement",
            ["status"] = "active",
            ["date"] = Elements.Date(Elements.Today),
            ["kind"] = "instance",
            ["software"] = new JsonObject { ["name"] = facts.Software, ["version"] = "May 2026" },
            ["implementation"] = new JsonObject { ["description"] = facts.DisplayName, ["url"] = origin + facts.FhirPath },
            ["fhirVersion"] = "4.0.1",
            ["format"] = Strings(facts.Formats),
            ["rest"] = Elements.List(new JsonObject
            {
                ["mode"] = "server",
                ["security"] = Security(origin + facts.TokenPath),
                ["resource"] = new JsonArray([.. vendor.Searches.Types.Select(pair => Resource(pair.Key, pair.Value, facts))]),
            }),
        };
    }

    private static JsonObject Security(string tokenUrl) => new()
    {
        ["extension"] = Elements.List(new JsonObject
        {
            ["url"] = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            ["extension"] = Elements.List(new JsonObject { ["url"] = "token", ["valueUri"] = tokenUrl }),
        }),
        ["service"] = Elements.List(Elements.Concept("http://terminology.hl7.org/CodeSystem/restful-security-service", "SMART-on-FHIR")),
    };

    private static JsonObject Resource(string type, Searching.TypeRules rules, VendorFacts facts)
    {
        var resource = new JsonObject { ["type"] = type, ["interaction"] = Elements.List(new JsonObject { ["code"] = "read" }) };
        if (rules.Searchable)
        {
            resource["interaction"]!.AsArray().Add((JsonNode)new JsonObject { ["code"] = "search-type" });
            resource["searchRevInclude"] = Strings(["Provenance:target"]);
            resource["searchParam"] = new JsonArray([.. rules.Parameters.Select(name => (JsonNode)new JsonObject
            {
                ["name"] = name,
                ["type"] = TypeOf(name),
            })]);
        }

        var combinations = rules.RequiredAnyOf.Where(static set => set.Count > 1).ToArray();
        if (facts.DeclaresCombinations && combinations.Length > 0)
        {
            resource["extension"] = new JsonArray([.. combinations.Select(Combination)]);
        }

        return resource;
    }

    private static JsonNode Combination(IReadOnlyList<string> parameters) => new JsonObject
    {
        ["url"] = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination",
        ["extension"] = new JsonArray([.. parameters.Select(name => (JsonNode)new JsonObject { ["url"] = "required", ["valueString"] = name })]),
    };

    private static string TypeOf(string parameter) => parameter switch
    {
        "family" or "given" or "name" or "address-postalcode" => "string",
        "patient" or "subject" or "beneficiary" or "encounter" => "reference",
        "date" or "birthdate" or "issued" or "period" or "_lastUpdated" or "onset-date" or "recorded-date" or "authoredon" => "date",
        _ => "token",
    };

    private static JsonArray Strings(IEnumerable<string> values) => new([.. values.Select(value => (JsonNode)value)]);
}

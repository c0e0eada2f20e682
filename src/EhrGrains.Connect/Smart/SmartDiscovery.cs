using System.Text.Json;
using EhrGrains.Connect.Egress;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Connect.Smart;

/// <summary>What a FHIR server says about its authorization server, or why it could not be learned.</summary>
public sealed record DiscoveryResult
{
    /// <summary>The absolute token endpoint; null when there is a <see cref="Failure"/>.</summary>
    public string? TokenEndpoint { get; init; }

    /// <summary>The authentication methods it names; empty when it names none.</summary>
    public IReadOnlyList<string> AuthMethods { get; init; } = [];

    /// <summary>The scopes it names: not all that it grants, and often not usable as they are.</summary>
    public IReadOnlyList<string> Scopes { get; init; } = [];

    /// <summary>Why nothing was learned; null on success.</summary>
    public Problem? Failure { get; init; }

    /// <summary>True when asking again later may help.</summary>
    public bool Transient { get; init; }
}

/// <summary>
/// Finds a hospital's token endpoint: what the operator stated, else <c>.well-known/smart-configuration</c> under the FHIR base URL (SMART
/// App Launch 2.2, conformance), else the deprecated <c>oauth-uris</c> extension of the CapabilityStatement, which older servers alone
/// have.
/// </summary>
public sealed class SmartDiscovery(EgressClients egress, ConnectOptions options, TimeProvider time)
{
    private const string OAuthUris = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";
    private const int ListMax = 1000;

    private readonly AnonymousDocuments documents = new(egress, options, time);

    /// <summary>Learns the token endpoint. Nothing is sent but the two anonymous requests, and none when the operator stated it.</summary>
    public async Task<DiscoveryResult> DiscoverAsync(TenantId tenant, ConnectionSpec connection, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (connection.TokenEndpoint is { } stated)
        {
            return Checked(new DiscoveryResult { TokenEndpoint = stated }, connection);
        }

        if (!Origin.TryParse(connection.BaseUrl, out _))
        {
            return new DiscoveryResult
            {
                Failure = new Problem(
                    "EHR-TOK-028",
                    "connection.baseUrl",
                    "The FHIR base URL is not an absolute https URL. State it as the hospital published it."),
            };
        }

        // Appended to the base even when that has a path, unlike RFC 8615.
        var baseUri = new Uri(connection.BaseUrl.TrimEnd('/') + "/");
        var wellKnown = await documents.GetAsync(
            tenant, connection, new Uri(baseUri, ".well-known/smart-configuration"), "application/json", cancellationToken);
        using (wellKnown.Document)
        {
            if (wellKnown.Document is { } document && ReadConfiguration(document.RootElement, baseUri) is { } found)
            {
                return Checked(found, connection);
            }
        }

        var metadata = await documents.GetAsync(tenant, connection, new Uri(baseUri, "metadata"), "application/fhir+json", cancellationToken);
        using (metadata.Document)
        {
            if (metadata.Document is { } document && ReadOAuthUris(document.RootElement, baseUri) is { } endpoint)
            {
                return Checked(new DiscoveryResult { TokenEndpoint = endpoint }, connection);
            }
        }

        return new DiscoveryResult
        {
            Failure = wellKnown.Failure ?? metadata.Failure ?? new Problem(
                "EHR-TOK-021",
                "connection.baseUrl",
                "Neither .well-known/smart-configuration nor the CapabilityStatement names a token endpoint. "
                + "Check the base URL, or state connection.tokenEndpoint."),
            Transient = wellKnown.Transient || metadata.Transient,
        };
    }

    private static DiscoveryResult Checked(DiscoveryResult found, ConnectionSpec connection) =>
        Endpoints.Check(found.TokenEndpoint!, connection) is { } problem ? new DiscoveryResult { Failure = problem } : found;

    private static DiscoveryResult? ReadConfiguration(JsonElement root, Uri baseUri)
    {
        if (Text(root, "token_endpoint") is not { } endpoint)
        {
            return null;
        }

        var methods = Texts(root, "token_endpoint_auth_methods_supported");
        return new DiscoveryResult
        {
            TokenEndpoint = Absolute(endpoint, baseUri),
            AuthMethods = methods.Count > 0 ? methods : Texts(root, "token_endpoint_auth_methods"), // the name in SMART 1.0 examples
            Scopes = Texts(root, "scopes_supported"),
        };
    }

    private static string? ReadOAuthUris(JsonElement root, Uri baseUri)
    {
        foreach (var rest in Items(root, "rest"))
        {
            if (rest.ValueKind != JsonValueKind.Object || !rest.TryGetProperty("security", out var security))
            {
                continue;
            }

            var uris = Items(security, "extension").FirstOrDefault(static e => Text(e, "url") == OAuthUris);
            var token = Items(uris, "extension").FirstOrDefault(static e => Text(e, "url") == "token");
            if (Text(token, "valueUri") is { } endpoint)
            {
                return Absolute(endpoint, baseUri);
            }
        }

        return null;
    }

    // SMART App Launch 2.2 conformance: a relative URL is meant against the FHIR base.
    private static string Absolute(string url, Uri baseUri) =>
        url.Contains("://", StringComparison.Ordinal) || !Uri.TryCreate(baseUri, url, out var absolute) ? url : absolute.AbsoluteUri;

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    private static List<string> Texts(JsonElement element, string name) =>
        [.. Items(element, name).Where(static v => v.ValueKind == JsonValueKind.String).Select(static v => v.GetString()!).Take(ListMax)];

    private static JsonElement.ArrayEnumerator Items(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array
            ? value.EnumerateArray()
            : default;
}

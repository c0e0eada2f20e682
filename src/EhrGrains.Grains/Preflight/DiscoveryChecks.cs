using System.Text.Json;
using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Preflight;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Grains.Tenants;

namespace EhrGrains.Grains.Preflight;

/// <summary>What the authorization server says of itself (SMART App Launch 2.2, conformance).</summary>
internal static class DiscoveryChecks
{
    /// <summary>Requests of this and of <see cref="StatementChecks"/>.</summary>
    internal const int Requests = 2;

    private static readonly Check[] All =
    [
        Check.SmartPresent, Check.SmartTokenEndpoint, Check.SmartPinned, Check.SmartIssuer, Check.SmartMethods, Check.SmartAlgorithms, Check.SmartGrants,
        Check.SmartScopes, Check.SmartCapabilities,
    ];

    internal static async Task RunAsync(PreflightRun run)
    {
        using var answer = await run.AskAnyoneAsync(new EhrRequest
        {
            Method = HttpMethod.Get,
            Url = run.Site.Url(".well-known/smart-configuration"),
            Accept = "application/json",
            Op = "discovery",
            ResourceType = "smart-configuration",
        });
        if (answer is null)
        {
            run.SkipAll(run.Halt!, All);
            return;
        }

        if (answer is not { Status: 200, Document.RootElement: { ValueKind: JsonValueKind.Object } root })
        {
            var stated = run.Site.Connection.TokenEndpoint is not null;
            var seen = $"{Said.Of(answer)}; {(stated ? "the token endpoint is stated in connection.tokenEndpoint" : "older servers name the token endpoint in the CapabilityStatement alone")}.";
            run.Judge(
                Check.SmartPresent, false, seen, "Publish .well-known/smart-configuration under the FHIR base URL.",
                stated || run.Site.Description.PinnedTokenEndpoint is not null ? PreflightState.Warning : PreflightState.Failed);
            run.SkipAll("There is no SMART configuration.", All.AsSpan(1));
            return;
        }

        run.Judge(
            Check.SmartPresent, answer.IsAnnouncedAsJson, $"There, as {answer.ContentType ?? "nothing in particular"}.",
            "Announce .well-known/smart-configuration as application/json.", PreflightState.Warning);
        CheckEndpoint(run, root);
        CheckClient(run, root);
        CheckScopes(run, root);
    }

    private static void CheckEndpoint(PreflightRun run, JsonElement root)
    {
        var connection = run.Site.Connection;
        var named = root.Text("token_endpoint");
        var endpoint = named is not null && Uri.TryCreate(new Uri(run.Site.Url("")), named, out var absolute) ? absolute.AbsoluteUri : null;
        var isOrigin = Origin.TryParse(endpoint, out var origin);
        var sameHost = isOrigin && Origin.TryParse(connection.BaseUrl, out var fhir) && origin == fhir;
        run.Judge(
            Check.SmartTokenEndpoint, isOrigin && (origin.Scheme == "https" || sameHost),
            endpoint is null ? "None is named." : isOrigin ? $"At {origin}{(sameHost ? "" : ", another host than the FHIR server's")}." : "It is not a plain absolute URL.",
            "Name the token endpoint as an absolute https URL.");
        var pinned = connection.TokenEndpoint ?? run.Site.Description.PinnedTokenEndpoint;
        if (pinned is null)
        {
            run.Skip(Check.SmartPinned, "None was pinned yet: the first token request does.");
        }
        else
        {
            run.Judge(
                Check.SmartPinned, endpoint is null || pinned == endpoint, pinned == endpoint ? "As it was pinned." : "The site names another token endpoint than the one that is used.",
                "Ask the hospital, by telephone, whether it has moved; then state it in connection.tokenEndpoint.");
        }

        var issuer = root.Text("issuer");
        run.Judge(
            Check.SmartIssuer, issuer is null || Origin.TryParse(issuer, out _), issuer is null ? "None is named, which backend services need not." : "An absolute URL.",
            "Name the issuer as an absolute https URL.", PreflightState.Warning);
    }

    private static void CheckClient(PreflightRun run, JsonElement root)
    {
        var connection = run.Site.Connection;
        var method = VendorRules.MethodName(connection.AuthMethod);
        var methods = root.Texts("token_endpoint_auth_methods_supported");
        methods = methods.Length > 0 ? methods : root.Texts("token_endpoint_auth_methods"); // the name in SMART 1.0 examples
        Listed(run, Check.SmartMethods, methods, method, $"Enable {method} for the client, or tell us which method it is registered with.");
        if (connection.AuthMethod is ClientAuthMethod.PrivateKeyJwtEs384 or ClientAuthMethod.PrivateKeyJwtRs384)
        {
            var algorithm = connection.AuthMethod == ClientAuthMethod.PrivateKeyJwtEs384 ? "ES384" : "RS384";
            Listed(run, Check.SmartAlgorithms, root.Texts("token_endpoint_auth_signing_alg_values_supported"), algorithm,
                $"Enable {algorithm}, or state the other of ES384 and RS384 in connection.authMethod.");
        }
        else
        {
            run.Skip(Check.SmartAlgorithms, "The client has a secret and signs nothing.");
        }

        Listed(run, Check.SmartGrants, root.Texts("grant_types_supported"), "client_credentials", "Enable the grant type client_credentials.");
        var wanted = connection.AuthMethod is ClientAuthMethod.ClientSecretBasic or ClientAuthMethod.ClientSecretPost ? "client-confidential-symmetric" : "client-confidential-asymmetric";
        Listed(run, Check.SmartCapabilities, root.Texts("capabilities"), wanted, $"Declare the capability {wanted} (SMART App Launch 2.2, conformance).");
    }

    private static void CheckScopes(PreflightRun run, JsonElement root)
    {
        var supported = root.Texts("scopes_supported");
        if (!supported.Any(static scope => SmartScope.TryParse(scope, out _)))
        {
            run.Skip(Check.SmartScopes, "No system scopes are listed, which is no duty.");
            return;
        }

        string[] missing = [.. run.Site.Types.Select(type => type.Type).Where(type =>
            !SmartScope.AnyAllows(supported, type, Interactions.Read) && !SmartScope.AnyAllows(supported, type, Interactions.Search))];
        run.Judge(
            Check.SmartScopes, missing.Length == 0, missing.Length == 0 ? $"{supported.Length} are listed, ours among them." : $"Not listed: {string.Join(", ", missing)}.",
            "List the scopes, or tell us that they are granted all the same.", PreflightState.Warning);
    }

    // What is not listed may work all the same: servers leave out much. What is listed without ours seldom does.
    private static void Listed(PreflightRun run, Check check, string[] listed, string wanted, string change)
    {
        if (listed.Length == 0)
        {
            run.Skip(check, "The site lists none.");
        }
        else
        {
            run.Judge(check, listed.Contains(wanted, StringComparer.Ordinal), $"Listed: {string.Join(", ", listed.Take(10))}.", change, PreflightState.Warning);
        }
    }
}

/// <summary>How answers are told of.</summary>
internal static class Said
{
    /// <summary>An answer in a few words, without anything of its body.</summary>
    internal static string Of(ProbeAnswer answer) => answer switch
    {
        { Status: 0 } => answer.Problem?.Message ?? "There was no answer.",
        { Status: 200, Failure: not EhrFailure.None } => answer.Problem?.Message ?? "The answer could not be read.",
        { Status: 200, Document: null, ContentEncoding: not null } => "Answered 200 with a body that is compressed although nobody asked for it",
        { Status: 200, Document: null } => "Answered 200 with a body that is no JSON, or has members twice, or is too deep",
        _ => $"Answered {answer.Status}",
    };
}

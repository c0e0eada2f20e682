using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Faults;
using EhrGrains.Sandbox.Hospitals;
using EhrGrains.Sandbox.Vendors;

namespace EhrGrains.Sandbox.Tokens;

/// <summary>A vendor's token endpoint for backend services (SMART App Launch 2.2, backend-services; RFC 6749 §4.4).</summary>
internal sealed class TokenEndpoint(
    IVendor vendor, ClientTable clients, AccessTokens tokens, Assertions assertions, TimeProvider time, TimeSpan lifetime)
{
    private const string JwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

    private readonly TokenRules rules = vendor.Tokens;
    private readonly Lock gate = new();
    private long minute;
    private int inMinute;

    public async Task<Answer> AnswerAsync(HttpRequest request, FaultSet faults, CancellationToken cancellationToken)
    {
        if (!TryAdmit(out var retryAfterSeconds))
        {
            return Error(StatusCodes.Status429TooManyRequests, "rate_limit", "Too many token requests in this minute.")
                .With("Retry-After", retryAfterSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        if (!request.HasFormContentType)
        {
            return Error(400, "invalid_request", "The body must be a form.");
        }

        var form = await request.ReadFormAsync(cancellationToken);
        if (form["grant_type"] != "client_credentials")
        {
            return Error(400, "unsupported_grant_type", "Only client_credentials is possible here.");
        }

        var (client, refusal) = await AuthenticateAsync(request, form, cancellationToken);
        if (client is null || faults.Has(FaultKind.InvalidClient))
        {
            return Error(rules.InvalidClientStatus, "invalid_client", refusal ?? "The client is not known.");
        }

        var grant = Decide(client, form["scope"].ToString(), out var scopeRefusal);
        return grant is null ? Error(400, "invalid_scope", scopeRefusal) : Issue(grant);
    }

    private Answer Issue(Grant grant)
    {
        var answer = new JsonObject
        {
            ["access_token"] = tokens.Issue(grant, lifetime),
            ["token_type"] = "Bearer",
            ["expires_in"] = (int)lifetime.TotalSeconds,
            ["scope"] = grant.ToString(),
        };
        return Answer.Json(200, answer).With("Cache-Control", "no-store").With("Pragma", "no-cache");
    }

    private static Answer Error(int status, string error, string description)
    {
        var body = new JsonObject { ["error"] = error, ["error_description"] = description };
        var answer = Answer.Json(status, body).With("Cache-Control", "no-store");
        return status == StatusCodes.Status401Unauthorized ? answer.With("WWW-Authenticate", "Basic realm=\"token\"") : answer;
    }

    // By the minute of the clock, as athenahealth counts.
    private bool TryAdmit(out int retryAfterSeconds)
    {
        retryAfterSeconds = 0;
        if (rules.RequestsPerMinute is not { } max)
        {
            return true;
        }

        var now = time.GetUtcNow();
        lock (gate)
        {
            if (now.Ticks / TimeSpan.TicksPerMinute != minute)
            {
                minute = now.Ticks / TimeSpan.TicksPerMinute;
                inMinute = 0;
            }

            retryAfterSeconds = 60 - now.Second;
            return ++inMinute <= max;
        }
    }

    private async Task<(Client? Client, string? Refusal)> AuthenticateAsync(
        HttpRequest request, IFormCollection form, CancellationToken cancellationToken)
    {
        var (method, id, secret) = Credentials(request, form);
        if (method is null || !rules.Methods.Contains(method))
        {
            return (null, $"The client must authenticate with one of: {string.Join(", ", rules.Methods)}.");
        }

        if (clients.Find(id) is not var (client, keys))
        {
            return (null, "The client is not known.");
        }

        if (method == "private_key_jwt")
        {
            var refusal = keys is null
                ? "The client has no key set."
                : await assertions.RefuseAsync(secret!, client.ClientId, keys, cancellationToken);
            return refusal is null ? (client, null) : (null, refusal);
        }

        return client.ClientSecret is { } known
            && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(known), Encoding.UTF8.GetBytes(secret!))
            ? (client, null)
            : (null, "The client secret is wrong.");
    }

    /// <summary>How the client authenticates, and as whom; no method when it tries none or several (RFC 6749 §2.3).</summary>
    private static (string? Method, string? Id, string? Secret) Credentials(HttpRequest request, IFormCollection form)
    {
        var basic = request.Headers.Authorization.ToString();
        var assertion = form["client_assertion"].ToString();
        var secret = form["client_secret"].ToString();
        return (basic.Length > 0, assertion.Length > 0, secret.Length > 0) switch
        {
            (true, false, false) => Basic(basic),
            (false, true, false) when form["client_assertion_type"] == JwtBearer =>
                ("private_key_jwt", Assertions.ClaimedClient(assertion), assertion),
            (false, false, true) => ("client_secret_post", form["client_id"], secret),
            _ => (null, null, null),
        };
    }

    private static (string? Method, string? Id, string? Secret) Basic(string header)
    {
        if (!header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
        {
            return (null, null, null);
        }

        var bytes = new byte[header.Length];
        if (!Convert.TryFromBase64String(header[6..].Trim(), bytes, out var length)
            || Encoding.UTF8.GetString(bytes, 0, length).Split(':', 2) is not [var id, var secret])
        {
            return (null, null, null);
        }

        // Both parts are form-encoded (RFC 6749 §2.3.1).
        return ("client_secret_basic", WebUtility.UrlDecode(id), WebUtility.UrlDecode(secret));
    }

    private Grant? Decide(Client client, string asked, out string refusal)
    {
        var registered = Registered(client);
        var wanted = asked.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (wanted.Length == 0)
        {
            refusal = "Policy evaluation failed: the scopes must be named.";
            return rules.ScopeRequired ? null : new Grant(registered);
        }

        var granted = new List<Scope>();
        foreach (var text in wanted)
        {
            if (!Scope.TryParse(text, out var scope) || (scope.VersionOne && !rules.VersionOne))
            {
                scope = default;
            }
            else if (scope.Type == "*")
            {
                if (!rules.Wildcards)
                {
                    refusal = "Wildcard scopes are not supported.";
                    return null;
                }

                granted.AddRange(
                    registered.Select(own => own with { Rights = own.Rights & scope.Rights }).Where(own => own.Rights != Rights.None));
                continue;
            }

            var rights = scope.Rights & registered
                .Where(own => own.Type == scope.Type).Aggregate(Rights.None, (sum, own) => sum | own.Rights);
            if (rights != Rights.None)
            {
                granted.Add(scope with { Rights = rights });
            }
            else if (rules.RefuseUnknownScope)
            {
                refusal = "A scope is not configured for this client.";
                return null;
            }
        }

        refusal = "None of the scopes can be granted.";
        return granted.Count == 0 ? null : new Grant([.. granted.Distinct()]);
    }

    private Rights WritesOf(string type) =>
        (vendor.Writes.Create.Contains(type) ? Rights.Create : Rights.None) | (vendor.Writes.Update.Contains(type) ? Rights.Update : Rights.None);

    private List<Scope> Registered(Client client)
    {
        if (client.Scopes is null)
        {
            return [.. vendor.Searches.Types.Keys.Select(type => new Scope(type, Rights.Read | Rights.Search | WritesOf(type), VersionOne: false))];
        }

        var scopes = new List<Scope>();
        foreach (var text in client.Scopes)
        {
            if (Scope.TryParse(text, out var scope))
            {
                scopes.Add(scope);
            }
        }

        return scopes;
    }
}

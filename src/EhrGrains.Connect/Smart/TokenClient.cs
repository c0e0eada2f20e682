using System.Security.Cryptography;
using System.Text;
using Duende.IdentityModel;
using Duende.IdentityModel.Client;
using EhrGrains.Connect.Egress;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Smart;

/// <summary>
/// Asks hospitals for access tokens: OAuth 2.0 client credentials (RFC 6749 §4.4) with a client secret or a signed assertion (SMART App
/// Launch 2.2, backend-services). One request, no retry: who asks decides when to ask again. Thread-safe.
/// </summary>
public sealed class TokenClient(EgressClients egress, ConnectOptions options, TimeProvider time, ConnectMetrics metrics)
{
    /// <summary>Asks for a token.</summary>
    /// <param name="tenant">Whose connection it is.</param>
    /// <param name="connection">The connection: client id, audience, scopes, egress rules.</param>
    /// <param name="profile">The connection's vendor profile.</param>
    /// <param name="tokenEndpoint">The pinned token endpoint.</param>
    /// <param name="method">How the credential authenticates, which may differ from the connection's while it changes.</param>
    /// <param name="keyId">The key's id; null for a client secret.</param>
    /// <param name="secret">The PKCS#8 private key, or the client secret as UTF-8.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    public async Task<TokenAnswer> RequestAsync(
        TenantId tenant,
        ConnectionSpec connection,
        VendorProfile profile,
        string tokenEndpoint,
        ClientAuthMethod method,
        string? keyId,
        ReadOnlyMemory<byte> secret,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(profile);
        var answer = Endpoints.Check(tokenEndpoint, connection) is { } refused
            ? new TokenAnswer { Failure = refused }
            : await AskAsync(tenant, connection, profile, tokenEndpoint, new Proof(method, keyId, secret), cancellationToken);
        metrics.Token(profile.Id, MethodName(method), Outcome(answer));
        return answer;
    }

    private async Task<TokenAnswer> AskAsync(
        TenantId tenant,
        ConnectionSpec connection,
        VendorProfile profile,
        string tokenEndpoint,
        Proof proof,
        CancellationToken cancellationToken)
    {
        var scope = Scopes.Compose(connection, profile);
        string? apiKey = null;
        if (profile.Auth.ApiKeyHeader is not null && !proof.TrySplit(out proof, out apiKey))
        {
            return TokenAnswers.Fail(
                "EHR-TOK-030",
                $"{profile.Name} wants an API key with every request. Add a credential whose secret is the client secret, a space and the API key.",
                invalidClient: true);
        }

        using var deadline = new CancellationTokenSource(options.TokenTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            using var request = Compose(connection, tokenEndpoint, scope, proof);
            var response = await egress.For(tenant, connection).RequestClientCredentialsTokenAsync(request, either.Token);
            using var http = response.HttpResponse;
            var answer = TokenAnswers.Classify(response, scope, TimeSpan.FromSeconds(profile.Auth.ExpiresInDefault), time.GetUtcNow());
            return apiKey is null ? answer : answer with { ApiKeyHeader = profile.Auth.ApiKeyHeader, ApiKey = apiKey };
        }
        catch (CryptographicException)
        {
            return TokenAnswers.Fail("EHR-TOK-001", "The credential's key cannot be read. Rotate the credential.", invalidClient: true);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return TokenAnswers.Fail(
                "EHR-TOK-002",
                $"The token endpoint did not answer within {options.TokenTimeout.TotalSeconds:0} s. "
                + "It is asked again; if this lasts, ask the hospital.",
                transient: true);
        }
    }

    private ClientCredentialsTokenRequest Compose(ConnectionSpec connection, string tokenEndpoint, string scope, Proof proof)
    {
        var request = new ClientCredentialsTokenRequest { Address = tokenEndpoint, Scope = scope };
        switch (proof.Method)
        {
            case ClientAuthMethod.ClientSecretBasic:
                // Id and secret are form-urlencoded before they are joined (RFC 6749 §2.3.1).
                request.ClientId = connection.ClientId;
                request.ClientSecret = Encoding.UTF8.GetString(proof.Secret.Span);
                request.ClientCredentialStyle = ClientCredentialStyle.AuthorizationHeader;
                request.AuthorizationHeaderStyle = BasicAuthenticationHeaderStyle.Rfc6749;
                break;
            case ClientAuthMethod.ClientSecretPost:
                request.ClientId = connection.ClientId;
                request.ClientSecret = Encoding.UTF8.GetString(proof.Secret.Span);
                request.ClientCredentialStyle = ClientCredentialStyle.PostBody;
                break;
            default:
                // No client_id beside the assertion: a confidential client is named by its iss and sub.
                request.ClientCredentialStyle = ClientCredentialStyle.PostBody;
                request.ClientAssertion = new ClientAssertion
                {
                    Type = OidcConstants.ClientAssertionTypes.JwtBearer,
                    Value = ClientAssertions.Create(
                        connection.ClientId,
                        connection.AssertionAudience ?? tokenEndpoint,
                        proof.Method,
                        proof.KeyId ?? throw new ArgumentException("A private key needs its key id.", nameof(proof)),
                        proof.Secret.Span,
                        time.GetUtcNow(),
                        options.AssertionLifetime),
                };
                break;
        }

        return request;
    }

    private static string MethodName(ClientAuthMethod method) => method switch
    {
        ClientAuthMethod.ClientSecretBasic => "client_secret_basic",
        ClientAuthMethod.ClientSecretPost => "client_secret_post",
        _ => "private_key_jwt",
    };

    private static string Outcome(TokenAnswer answer) =>
        answer.Failure is null ? "ok" : answer.InvalidClient ? "invalid_client" : answer.Transient ? "transient" : "refused";

    private readonly record struct Proof(ClientAuthMethod Method, string? KeyId, ReadOnlyMemory<byte> Secret)
    {
        /// <summary>Takes the API key off the end of the secret; false when there is none.</summary>
        public bool TrySplit(out Proof proof, out string? apiKey)
        {
            var space = Secret.Span.LastIndexOf((byte)' ');
            var given = Method is ClientAuthMethod.ClientSecretBasic or ClientAuthMethod.ClientSecretPost && space > 0 && space < Secret.Length - 1;
            apiKey = given ? Encoding.UTF8.GetString(Secret.Span[(space + 1)..]) : null;
            proof = given ? this with { Secret = Secret[..space] } : this;
            return given;
        }

        public override string ToString() => $"Proof {Method}";
    }
}

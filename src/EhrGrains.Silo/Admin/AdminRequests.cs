using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Silo.Admin;

/// <summary>Where a tenant is to go, and why.</summary>
internal sealed record LifecycleChange(Lifecycle Lifecycle, string Reason);

/// <summary>A credential to add; the secret only, and always, for the client secret methods.</summary>
internal sealed record CredentialRequest(ClientAuthMethod Method, string? Secret)
{
    internal NewCredential ToContract() => new() { Method = Method, Secret = Secret is { } text ? new SecretText(text) : null };

    // The generated one would print the secret.
    public override string ToString() => $"CredentialRequest {Method}";
}

/// <summary>The scopes of a grant.</summary>
internal sealed record GrantRequest(string[] Scopes);

/// <summary>A question to the audit trail.</summary>
internal sealed record WhoRequest(string Patient, long? Before, int? Count)
{
    public override string ToString() => nameof(WhoRequest);
}

/// <summary>An app; with a JWKS it authenticates with private_key_jwt, without one it gets a client secret.</summary>
internal sealed record AppRequest(string DisplayName, AppRole Role, JsonElement? Jwks);

/// <summary>A registered app and its secret, shown this once.</summary>
internal sealed record AppResponse(AppId App, string? ClientSecret)
{
    public override string ToString() => $"AppResponse {App}";
}

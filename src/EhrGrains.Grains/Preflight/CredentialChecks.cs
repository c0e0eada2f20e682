using System.Globalization;
using System.Text.Json;
using EhrGrains.Connect.Smart;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Tokens;

namespace EhrGrains.Grains.Preflight;

/// <summary>Our credential, and what the token endpoint gives for it: one token request of its own, beside the session that queries use.</summary>
internal static class CredentialChecks
{
    private static readonly TimeSpan AgeMax = TimeSpan.FromDays(365);
    private static readonly TimeSpan LifeMin = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LifeMax = TimeSpan.FromHours(1); // SMART App Launch 2.2, backend-services: should not exceed 300 s; an hour is common

    private static readonly Check[] Credential = [Check.CredentialAge, Check.CredentialMethod, Check.CredentialPublished];
    private static readonly Check[] Token = [Check.TokenRequest, Check.TokenLifetime, Check.TokenScopes, Check.TokenExcess, Check.TokenRefresh];

    internal static async Task RunAsync(PreflightRun run)
    {
        var active = run.Site.Description.Credentials.FirstOrDefault(credential => credential.State == CredentialState.Active);
        run.Judge(
            Check.CredentialActive, active is not null, active is null ? "No credential is active." : $"Credential {active.Version} is active.",
            "Add one and have it verified: «ehrgrains credential add --activate».");
        if (active is null)
        {
            run.SkipAll("There is no active credential.", [.. Credential, .. Token]);
            return;
        }

        var grain = run.Tools.Grains.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(run.Site.Tenant));
        JudgeActive(run, active);
        await CheckPublishedAsync(run, active, grain);
        if (run.Halt is { } halt)
        {
            run.SkipAll(halt, Token);
            return;
        }

        await CheckTokenAsync(run, grain);
    }

    internal static void JudgeActive(PreflightRun run, CredentialSummary active)
    {
        var age = run.Tools.Time.GetUtcNow() - (active.ActivatedAt ?? active.CreatedAt);
        run.Judge(
            Check.CredentialAge, age < AgeMax, string.Create(CultureInfo.InvariantCulture, $"Active for {age.TotalDays:0} days."),
            "Rotate it once a year: «ehrgrains credential rotate».", PreflightState.Warning);
        run.Judge(
            Check.CredentialMethod, active.Method == run.Site.Connection.AuthMethod, $"It authenticates by {active.Method}; the connection states {run.Site.Connection.AuthMethod}.",
            "Rotate the credential: the new one has the stated method.", PreflightState.Warning);
    }

    private static async Task CheckPublishedAsync(PreflightRun run, CredentialSummary active, IHospitalTenantGrain grain)
    {
        if (active.KeyId is not { } keyId)
        {
            run.Skip(Check.CredentialPublished, "It is a secret and has no public key.");
            return;
        }

        using var keys = JsonDocument.Parse(await grain.GetJsonWebKeySetAsync(run.Deadline));
        run.Judge(
            Check.CredentialPublished, keys.RootElement.Items("keys").Any(key => key.Text("kid") == keyId), $"The tenant's JWKS has {keys.RootElement.Items("keys").Count()} keys.",
            "The active key is not among them: rotate the credential.");
    }

    private static async Task CheckTokenAsync(PreflightRun run, IHospitalTenantGrain grain)
    {
        var site = run.Site;
        var endpoint = site.Connection.TokenEndpoint ?? site.Description.PinnedTokenEndpoint;
        var sealedOnes = await grain.GetSealedCredentialsAsync(run.Deadline);
        if (endpoint is null || sealedOnes.Length == 0)
        {
            run.SkipAll("No token endpoint is known yet.", Token);
            return;
        }

        var answer = await run.Tools.Tokens.SendAsync(site.Tenant, site.Connection, site.Profile, endpoint, sealedOnes[0], run.Deadline);
        if (answer.Failure is { } failure)
        {
            run.Fail(Check.TokenRequest, $"No token was given [{failure.Code}].", failure.Message);
            run.SkipAll("There is no token.", Token.AsSpan(1));
            run.Halt = "There is no token: see token.request.";
            return;
        }

        run.Pass(Check.TokenRequest, "A token was given.");
        var life = answer.ExpiresIn ?? TimeSpan.Zero;
        run.Judge(
            Check.TokenLifetime, life >= LifeMin && life <= LifeMax, string.Create(CultureInfo.InvariantCulture, $"It holds for {life.TotalSeconds:0} s."),
            life < LifeMin ? "Let tokens live for at least a minute, better five: they are asked for again and again so." : "Let tokens live for an hour at most (SMART App Launch 2.2 recommends 300 s).",
            PreflightState.Warning);
        CheckScopes(run, answer);
        var margin = TokenPolicy.Margin(life);
        run.Judge(
            Check.TokenRefresh, life - margin > run.Tools.Connect.TotalTimeout / 2 || life >= LifeMin,
            string.Create(CultureInfo.InvariantCulture, $"It is refreshed {margin.TotalSeconds:0} s before its end."),
            "Tokens end before one slow request does: ask for a longer life.", PreflightState.Warning);
    }

    private static void CheckScopes(PreflightRun run, TokenAnswer answer)
    {
        var granted = (answer.Scope ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        (string Type, string Scope)[] missing =
        [
            .. run.Site.Types.SelectMany(type => Needs(run, type.Type).Where(need => !SmartScope.AnyAllows(granted, type.Type, need.Key)).Select(need => (type.Type, $"system/{type.Type}.{need.Value}"))),
        ];
        run.Judge(
            Check.TokenScopes, missing.Length == 0, missing.Length == 0 ? $"{granted.Length} scopes cover all {run.Site.Types.Count} types." : $"Not granted: {string.Join(" ", missing.Select(scope => scope.Scope))}.",
            "Grant these scopes to the client.", missing.Any(scope => run.WithoutType(scope.Type) == PreflightState.Failed) ? PreflightState.Failed : PreflightState.Warning);
        string[] writing =
        [
            .. granted.Where(text => SmartScope.TryParse(text, out var scope) && (scope.Interactions & (Interactions.Create | Interactions.Update | Interactions.Delete)) != Interactions.None
                && !run.Site.Connection.Scopes.Contains(text)),
        ];
        run.Judge(
            Check.TokenExcess, writing.Length == 0, writing.Length == 0 ? "Nothing may be written that was not asked for." : $"Granted beyond what was asked for: {string.Join(" ", writing.Take(10))}.",
            "Take away what is not needed.", PreflightState.Warning);
    }

    private static Dictionary<Interactions, string> Needs(PreflightRun run, string type)
    {
        var needs = new Dictionary<Interactions, string>();
        var rules = run.Site.Profile.Resources.GetValueOrDefault(type);
        if (rules is { Read: true })
        {
            needs[Interactions.Read] = "r";
        }

        if (rules is { Search.Count: > 0 } && run.Site.Searched.Any(searched => searched.Type == type))
        {
            needs[Interactions.Search] = "s";
        }

        return needs;
    }
}

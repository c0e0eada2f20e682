using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains grant</c> and <c>revoke</c>: what apps may do at tenants.</summary>
internal static class GrantCommand
{
    internal static Verb Build()
    {
        var tenant = Parameters.Tenant();
        var app = Parameters.App();
        var scopes = new Argument<string[]>("SCOPES")
        {
            Description = "SMART v2 system scopes, for example system/Patient.rs.",
            Arity = ArgumentArity.OneOrMore,
        };
        return new Verb("grant", "Gives an app rights at a tenant, in place of those it had there.") { tenant, app, scopes }.Answers(
            async run =>
            {
                var grain = (await run.ConnectAsync()).Tenant(run.Get(tenant));
                await grain.GrantAsync(run.Get(app), Split(run.Get(scopes)), run.Stopping);
                return (await grain.DescribeAsync(run.Stopping)).Grants;
            },
            Show);
    }

    internal static Verb BuildRevoke()
    {
        var tenant = Parameters.Tenant();
        var app = Parameters.App();
        return new Verb("revoke", "Takes an app's rights at a tenant away, on every silo within 5 s.") { tenant, app }.Answers(
            async run =>
            {
                var grain = (await run.ConnectAsync()).Tenant(run.Get(tenant));
                await grain.RevokeAsync(run.Get(app), run.Stopping);
                return (await grain.DescribeAsync(run.Stopping)).Grants;
            },
            Show);
    }

    /// <summary>Reads <c>TENANT=SCOPES</c>.</summary>
    internal static (TenantId Tenant, string[] Scopes) Read(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 && TenantId.TryParse(text[..equals], out var tenant) && Split([text[(equals + 1)..]]) is { Length: > 0 } scopes
            ? (tenant, scopes)
            : throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-090", "--grant", "Is written TENANT='SCOPE SCOPE', for example st-mary=system/Patient.rs.");
    }

    private static string[] Split(string[] scopes) => [.. scopes.SelectMany(text => text.Split(' ', StringSplitOptions.RemoveEmptyEntries))];

    private static IRenderable Show(Grant[] grants) => Tables.Rows(grants, ("app", g => g.App), ("scopes", g => g.Scopes));
}

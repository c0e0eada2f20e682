using System.CommandLine;
using EhrGrains.Cli.Contexts;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Tenants;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains app</c>: clients of the gateway.</summary>
internal static class AppCommand
{
    internal static Command Build() => new("app", "Clients of the gateway: register, look, disable.")
    {
        Add(),
        Show(),
        Disable(),
        Token(),
    };

    private static Verb Add()
    {
        var app = Parameters.App();
        var name = Parameters.Text("--name", "NAME", "Its name, for people. Default: its id.");
        var role = Parameters.Word<AppRole>("--role", "What it may be used for.");
        var keySet = Parameters.Text("--jwks", "FILE", "Its public keys, when it has made its key itself; no context file is written.");
        var secret = new Option<bool>("--client-secret") { Description = "Authenticate with a client secret; a key pair is better." };
        var file = Parameters.Text("--out", "FILE", "Context file to write, readable by its owner only. Default: ./APP.context.json");
        var grants = Parameters.Texts("--grant", "TENANT=SCOPES", "Grant at a tenant, for example st-mary='system/Patient.rs system/Observation.rs'.");
        var replace = new Option<bool>("--replace") { Description = "Replace the app's registration if it has one; its old key is refused from then on." };
        return new Verb("add", "Registers an app, makes its key here, and writes a context file for it.")
        {
            app, name, role, keySet, secret, file, grants, replace,
        }.Answers(
            async run =>
            {
                var id = run.Get(app);
                var rights = run.Get(grants).Select(GrantCommand.Read).ToArray();
                var path = run.Get(keySet) is not null ? null : run.Get(file) ?? $"./{id}.context.json";
                await ThrowIfTakenAsync(run, id, path, run.Get(replace));
                var spec = new AppSpec { App = id, DisplayName = run.Get(name) ?? id.Value, Role = run.Get(role) };
                await RegisterAsync(run, spec, run.Get(keySet), run.Get(secret), path);
                foreach (var (tenant, scopes) in rights)
                {
                    await (await run.ConnectAsync()).Tenant(tenant).GrantAsync(id, scopes, run.Stopping);
                }

                return new AddedApp(id, spec.Role, path, [.. rights.Select(right => new TenantScopes(right.Tenant, right.Scopes))]);
            },
            added => new Spectre.Console.Rows(
                Tables.Facts(("app", added.App), ("role", Words.Of(added.Role)), ("context file", added.ContextFile)),
                Tables.Rows(added.Grants, ("tenant", g => g.Tenant), ("scopes", g => g.Scopes))));
    }

    private static async Task ThrowIfTakenAsync(Invocation run, AppId id, string? path, bool replace)
    {
        if (path is not null && File.Exists(path))
        {
            throw new ProblemException(ProblemKind.Conflict, "EHR-CLI-004", path, "The file exists and may hold the only copy of a key; name another with --out.");
        }

        if (!replace && await (await run.ConnectAsync()).App(id).DescribeAsync(run.Stopping) is not null)
        {
            throw new ProblemException(ProblemKind.Conflict, "EHR-CLI-080", id.Value, "The app is registered. With --replace it gets a new key and its old one is refused.");
        }
    }

    private static async Task RegisterAsync(Invocation run, AppSpec spec, string? keySetFile, bool withSecret, string? path)
    {
        var cluster = await run.ConnectAsync();
        var grain = cluster.App(spec.App);
        if (keySetFile is not null)
        {
            await grain.RegisterAsync(spec with { JsonWebKeySet = await File.ReadAllTextAsync(keySetFile, run.Stopping) }, run.Stopping);
        }
        else if (withSecret)
        {
            var registration = await grain.RegisterAsync(spec, run.Stopping);
            await cluster.Context.WithSecret(spec.App, registration.ClientSecret!.Value).WriteNewAsync(path!, run.Stopping);
        }
        else
        {
            // The key is on disk before anyone relies on it.
            var (context, keySet) = cluster.Context.WithNewKey(spec.App);
            await context.WriteNewAsync(path!, run.Stopping);
            await grain.RegisterAsync(spec with { JsonWebKeySet = keySet }, run.Stopping);
        }
    }

    private static Verb Show()
    {
        var app = Parameters.App();
        return new Verb("show", "Shows an app's registration.") { app }.Answers(
            async run => await (await run.ConnectAsync()).App(run.Get(app)).DescribeAsync(run.Stopping) ?? throw NotRegistered(run.Get(app)),
            ShowSpec);
    }

    private static Verb Disable()
    {
        var app = Parameters.App();
        return new Verb("disable", "Ends an app: it gets no new tokens, and those it has are refused within 60 s.") { app }.Answers(
            async run =>
            {
                var grain = (await run.ConnectAsync()).App(run.Get(app));
                var spec = await grain.DescribeAsync(run.Stopping) ?? throw NotRegistered(run.Get(app));
                await grain.DisableAsync(run.Stopping);
                return spec;
            },
            ShowSpec);
    }

    // Prints a secret, because that is what it is for: a bearer token of minutes, for curl.
    private static Verb Token() => new Verb("token", "Prints an access token of the context's app, for use with curl; it ends within minutes.").Answers(
        async run =>
        {
            using var http = ClusterConnection.NewHttpClient(run.ReadContext());
            using var tokens = new AccessTokens(run.ReadContext(), http, TimeProvider.System);
            return new AppToken(await tokens.GetAsync(run.Stopping), tokens.ExpiresAt!.Value);
        },
        token => new Spectre.Console.Text(token.AccessToken));

    private static IRenderable ShowSpec(AppSpec app) => Tables.Facts(
        ("app", app.App), ("name", app.DisplayName), ("role", Words.Of(app.Role)),
        ("authenticates with", app.JsonWebKeySet is null ? "client secret" : "private_key_jwt"));

    private static ProblemException NotRegistered(AppId app) => new(ProblemKind.NotFound, "EHR-CLI-081", app.Value, "No such app is registered.");
}

/// <summary>A registered app.</summary>
/// <param name="App">Its id.</param>
/// <param name="Role">What it may be used for.</param>
/// <param name="ContextFile">The context file that was written; null: none.</param>
/// <param name="Grants">Its grants that were made.</param>
internal sealed record AddedApp(AppId App, AppRole Role, string? ContextFile, TenantScopes[] Grants);

/// <summary>An access token.</summary>
internal sealed record AppToken(string AccessToken, DateTimeOffset ExpiresAt);

/// <summary>Scopes at a tenant.</summary>
internal sealed record TenantScopes(TenantId Tenant, string[] Scopes);

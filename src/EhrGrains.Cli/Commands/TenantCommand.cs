using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains tenant</c>: hospitals.</summary>
internal static class TenantCommand
{
    private const int ListPage = 1_000;

    internal static Command Build() => new("tenant", "Hospitals: register, look, move on.")
    {
        Add(),
        List(),
        Show(),
        Promote(),
        Move("suspend", "Stops all traffic with the hospital until it is promoted again.", Lifecycle.Suspended),
        Offboard(),
    };

    private static Verb Add()
    {
        var tenant = Parameters.Tenant();
        var name = Parameters.Text("--name", "NAME", "The hospital's name.", isRequired: true);
        var vendor = Parameters.Text("--vendor", "VENDOR", "Vendor profile: epic, oracle-health, athenahealth or us-core.", isRequired: true);
        var baseUrl = Parameters.Text("--base-url", "URL", "FHIR base URL, exactly as the hospital published it.", isRequired: true);
        var clientId = Parameters.Text("--client-id", "ID", "The client id that the hospital gave us.", isRequired: true);
        var zone = Parameters.Text("--time-zone", "ZONE", "IANA zone of its clocks, for example America/Chicago.", isRequired: true);
        var environment = Parameters.Word<TenantEnvironment>("--environment", "Real patients or not.");
        var method = Parameters.Word<ClientAuthMethod>("--auth-method", "How we authenticate at its token endpoint.");
        var scopes = Parameters.Texts("--scope", "SCOPE", "A scope that the hospital grants us. Default: all that the vendor profile reads.");
        var settings = Parameters.Texts("--setting", "NAME=VALUE", "A vendor setting, for example practice=195900.");
        var networks = Parameters.Texts("--private-network", "CIDR", "A network outside the public internet where it may be reached.");
        var requests = new Option<int>("--requests") { Description = "Contracted requests per second.", HelpName = "N", DefaultValueFactory = _ => 10 };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only show what would be made." };
        return new Verb("add", "Registers a tenant as draft. For everything that can be stated use a file and «apply».")
        {
            tenant, name, vendor, baseUrl, clientId, zone, environment, method, scopes, settings, networks, requests, dryRun,
        }.Answers(
            async run =>
            {
                var spec = new TenantSpec
                {
                    Tenant = run.Get(tenant).Value,
                    DisplayName = run.Get(name),
                    Environment = run.Get(environment),
                    TimeZone = run.Get(zone),
                    Connection = new ConnectionSpec
                    {
                        Vendor = run.Get(vendor),
                        BaseUrl = run.Get(baseUrl),
                        ClientId = run.Get(clientId),
                        AuthMethod = run.Get(method),
                        Scopes = run.Get(scopes),
                        Settings = ReadSettings(run.Get(settings)),
                        PrivateNetworks = run.Get(networks),
                    },
                    Budget = new BudgetSpec { Requests = run.Get(requests) },
                };
                return await RegisterNewAsync(run, spec, run.Get(dryRun));
            },
            ApplyCommand.ShowChange);
    }

    // «add» is for what is new: an existing tenant is not overwritten by a command line that states half of it.
    private static async Task<TenantChange> RegisterNewAsync(Invocation run, TenantSpec spec, bool dryRun)
    {
        var grain = (await run.ConnectAsync()).Tenant(TenantId.Parse(spec.Tenant, null));
        var planned = await grain.RegisterAsync(spec, dryRun: true, run.Stopping);
        if (!planned.Created && planned.Differences.Length > 0)
        {
            throw new ProblemException(
                ProblemKind.Conflict, "EHR-CLI-060", spec.Tenant, "The tenant exists and differs; change it with a file and «ehrgrains apply».");
        }

        return dryRun ? planned : await grain.RegisterAsync(spec, dryRun: false, run.Stopping);
    }

    private static Verb List() => new Verb("list", "Lists all tenants in order of id.").Answers(
        async run => await ListAsync(run),
        tenants => Tables.Rows(
            tenants,
            ("tenant", t => t.Tenant), ("name", t => t.DisplayName), ("vendor", t => t.Vendor),
            ("environment", t => Words.Of(t.Environment)), ("lifecycle", t => Words.Of(t.Lifecycle))));

    /// <summary>Every tenant, page by page.</summary>
    internal static async Task<List<TenantListing>> ListAsync(Invocation run)
    {
        var directory = (await run.ConnectAsync()).Directory;
        var tenants = new List<TenantListing>();
        TenantListing[] page;
        do
        {
            page = await directory.ListAsync(tenants.Count > 0 ? tenants[^1].Tenant : null, ListPage, run.Stopping);
            tenants.AddRange(page);
        }
        while (page.Length == ListPage);
        return tenants;
    }

    private static Verb Show()
    {
        var tenant = Parameters.Tenant();
        return new Verb("show", "Shows all that can be said of a tenant without a secret.") { tenant }.Answers(
            async run => await (await run.ConnectAsync()).Tenant(run.Get(tenant)).DescribeAsync(run.Stopping),
            Show);
    }

    private static Verb Promote()
    {
        var tenant = Parameters.Tenant();
        var to = Parameters.OptionalWord<Lifecycle>("--to", "Where to: sandbox, uat, live, or back to draft.");
        to.Required = true;
        to.HelpName = "draft|sandbox|uat|live";
        to.Validators.Add(result =>
        {
            // Those two have commands of their own; one of them asks twice.
            if (result.GetValueOrDefault<Lifecycle?>() is Lifecycle.Suspended or Lifecycle.Offboarded)
            {
                result.AddError("--to is one of: draft, sandbox, uat, live. See «tenant suspend» and «tenant offboard».");
            }
        });
        var reason = Reason();
        return new Verb("promote", "Moves a tenant on: draft, sandbox, uat, live. It needs an active credential.") { tenant, to, reason }.Answers(
            run => ChangeAsync(run, run.Get(tenant), run.Get(to)!.Value, run.Get(reason)),
            Show);
    }

    private static Verb Move(string name, string description, Lifecycle to)
    {
        var tenant = Parameters.Tenant();
        var reason = Reason();
        return new Verb(name, description) { tenant, reason }.Answers(
            run => ChangeAsync(run, run.Get(tenant), to, run.Get(reason)),
            Show);
    }

    private static Verb Offboard()
    {
        var tenant = Parameters.Tenant();
        var reason = Reason();
        var confirm = Parameters.Text("--confirm", "TENANT", "The tenant's id once more: this cannot be undone.", isRequired: true);
        return new Verb("offboard", "Ends a tenant for good and destroys its keys: its stored data is unreadable from then on, backups included.")
        {
            tenant, reason, confirm,
        }.Answers(
            run => run.Get(confirm) == run.Get(tenant).Value
                ? ChangeAsync(run, run.Get(tenant), Lifecycle.Offboarded, run.Get(reason))
                : throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-061", "--confirm", "Is not the tenant's id; nothing was done."),
            Show);
    }

    private static Option<string> Reason() => new("--reason")
    {
        Description = "Why, for the record.",
        HelpName = "TEXT",
        DefaultValueFactory = _ => "by command line",
    };

    private static async Task<TenantDescription> ChangeAsync(Invocation run, TenantId tenant, Lifecycle to, string reason) =>
        await (await run.ConnectAsync()).Tenant(tenant).ChangeLifecycleAsync(to, reason, run.Stopping);

    private static IRenderable Show(TenantDescription tenant) => new Spectre.Console.Rows(
        Tables.Facts(
            ("tenant", tenant.Spec.Tenant), ("name", tenant.Spec.DisplayName), ("lifecycle", Words.Of(tenant.Lifecycle)),
            ("environment", Words.Of(tenant.Spec.Environment)), ("time zone", tenant.Spec.TimeZone),
            ("vendor", tenant.Spec.Connection.Vendor), ("base url", tenant.Spec.Connection.BaseUrl),
            ("client id", tenant.Spec.Connection.ClientId), ("auth method", Words.Of(tenant.Spec.Connection.AuthMethod)),
            ("token endpoint", tenant.PinnedTokenEndpoint),
            ("budget", $"{tenant.Spec.Budget.Requests} requests per {tenant.Spec.Budget.WindowSeconds} s, {tenant.Spec.Budget.Concurrency} at once"),
            ("grants", tenant.Grants.Select(grant => $"{grant.App}: {string.Join(' ', grant.Scopes)};")),
            ("version", tenant.Version)),
        new Spectre.Console.Text(""),
        CredentialCommand.Show(tenant.Credentials));

    private static Dictionary<string, string> ReadSettings(string[] pairs)
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in pairs)
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || !settings.TryAdd(pair[..equals], pair[(equals + 1)..]))
            {
                throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-062", "--setting", "Is written NAME=VALUE, each name once.");
            }
        }

        return settings;
    }
}

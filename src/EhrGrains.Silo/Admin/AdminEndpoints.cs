using System.Text.Json;
using System.Text.Json.Serialization;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Silo.Gateway;

namespace EhrGrains.Silo.Admin;

/// <summary>
/// Administration over HTTP, the same grain commands as the command line: each route is one call, and the grain says who may make
/// it. Described at <c>/openapi/v1.json</c>.
/// </summary>
internal static class AdminEndpoints
{
    private const int TenantsPerPage = 100;

    internal static void AddAdmin(this IServiceCollection services)
    {
        services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false));
            json.SerializerOptions.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
            json.SerializerOptions.AllowDuplicateProperties = false;
        });
        services.AddOpenApi("v1", openApi => openApi.AddDocumentTransformer((document, _, _) =>
        {
            document.Info.Title = "EhrGrains administration";
            document.Info.Version = "1";
            return Task.CompletedTask;
        }));
    }

    internal static void MapAdmin(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapOpenApi("/openapi/{documentName}.json").AllowAnonymous();
        var admin = endpoints.MapGroup("/admin/v1").AddEndpointFilter<InTheCallersName>();
        MapTenants(admin.MapGroup("/tenants").WithTags("Tenants"));
        MapCredentials(admin.MapGroup("/tenants/{tenant}").WithTags("Credentials"));
        MapGrants(admin.MapGroup("/tenants/{tenant}/grants").WithTags("Grants"));
        MapAudit(admin.MapGroup("/tenants/{tenant}").WithTags("Audit"));
        admin.MapGroup("/tenants/{tenant}/feeds").WithTags("Feeds").MapFeeds();
        admin.MapGroup("/tenants/{tenant}/webhooks").WithTags("Webhooks").MapWebhooks();
        MapApps(admin.MapGroup("/apps").WithTags("Apps"));
    }

    private static void MapTenants(RouteGroupBuilder tenants)
    {
        tenants.MapGet("", (string? after, IGrainFactory grains, CancellationToken ct) => grains
                .GetGrain<ITenantDirectoryGrain>(TenantDirectory.Key)
                .ListAsync(after is null ? null : ParseTenant(after), TenantsPerPage, ct))
            .WithName("ListTenants").WithSummary("Up to 100 tenants in order of id, after the one given.");
        tenants.MapGet("/{tenant}", (TenantId tenant, IGrainFactory grains, CancellationToken ct) => grains.Of(tenant).DescribeAsync(ct))
            .WithName("DescribeTenant").WithSummary("All that can be said of a tenant without a secret.");
        tenants.MapPut("/{tenant}", (TenantId tenant, TenantSpec spec, bool? dryRun, IGrainFactory grains, CancellationToken ct) =>
                spec.Tenant == tenant.Value
                    ? grains.Of(tenant).RegisterAsync(spec, dryRun ?? false, ct)
                    : throw new ProblemException(ProblemKind.Invalid, "EHR-GTW-005", "tenant", "The tenant in the body must be the one in the URL."))
            .WithName("RegisterTenant").WithSummary("Creates the tenant as draft, or updates it; answers the differences. Idempotent.");
        tenants.MapPut("/{tenant}/lifecycle", (TenantId tenant, LifecycleChange change, IGrainFactory grains, CancellationToken ct) =>
                grains.Of(tenant).ChangeLifecycleAsync(change.Lifecycle, change.Reason, ct))
            .WithName("ChangeLifecycle").WithSummary("Moves the tenant on: sandbox, uat, live, suspended, offboarded.");
    }

    private static void MapCredentials(RouteGroupBuilder tenant)
    {
        tenant.MapPost("/credentials", (TenantId tenant, CredentialRequest credential, IGrainFactory grains, CancellationToken ct) =>
                grains.Of(tenant).AddCredentialAsync(credential.ToContract(), ct))
            .WithName("AddCredential").WithSummary("Adds a credential and leaves it staged; a private key is made here and never leaves.");
        tenant.MapPost("/credentials/{version:int}:activate", (TenantId tenant, int version, IGrainFactory grains, CancellationToken ct) =>
                grains.Of(tenant).ActivateCredentialAsync(version, ct))
            .WithName("ActivateCredential").WithSummary("Checks a staged credential with a real token request and makes it the active one.");
        tenant.MapPost("/credentials:rotate", (TenantId tenant, CredentialRequest credential, IGrainFactory grains, CancellationToken ct) =>
                grains.Of(tenant).RotateCredentialAsync(credential.ToContract(), ct))
            .WithName("RotateCredential").WithSummary("Stages, publishes, verifies and activates a new credential; the old one stays when that fails.");
    }

    private static void MapGrants(RouteGroupBuilder grants)
    {
        grants.MapPut("/{app}", async (TenantId tenant, AppId app, GrantRequest grant, IGrainFactory grains, CancellationToken ct) =>
            {
                await grains.Of(tenant).GrantAsync(app, grant.Scopes, ct);
                return Results.NoContent();
            })
            .WithName("Grant").WithSummary("Gives an app SMART v2 system scopes at the tenant, replacing those it had.");
        grants.MapDelete("/{app}", async (TenantId tenant, AppId app, IGrainFactory grains, CancellationToken ct) =>
            {
                await grains.Of(tenant).RevokeAsync(app, ct);
                return Results.NoContent();
            })
            .WithName("Revoke").WithSummary("Takes an app's rights at the tenant away.");
    }

    private static void MapAudit(RouteGroupBuilder tenant)
    {
        tenant.MapPost("/audit:verify", (TenantId tenant, IGrainFactory grains, CancellationToken ct) =>
                grains.GetGrain<IAuditGrain>(GrainKeys.Tenant(tenant)).VerifyAsync(ct))
            .WithName("VerifyAudit").WithSummary("Walks the tenant's audit chain and names the first row that is not what was written.");

        // POST, because the patient's id belongs in no URL.
        tenant.MapPost("/audit:who", (TenantId tenant, WhoRequest who, IGrainFactory grains, CancellationToken ct) =>
                grains.GetGrain<IAuditGrain>(GrainKeys.Tenant(tenant)).WhoAsync(who.Patient, who.Before, who.Count ?? 100, ct))
            .WithName("WhoTouchedPatient").WithSummary("Who touched a patient, newest first.");
    }

    private static void MapApps(RouteGroupBuilder apps)
    {
        apps.MapGet("/{app}", async (AppId app, IGrainFactory grains, CancellationToken ct) =>
                await grains.Of(app).DescribeAsync(ct)
                ?? throw new ProblemException(ProblemKind.NotFound, "EHR-GTW-006", "app", "No app of this id is registered."))
            .WithName("DescribeApp").WithSummary("What an app is.");
        apps.MapPut("/{app}", async (AppId app, AppRequest request, IGrainFactory grains, CancellationToken ct) =>
            {
                var spec = new AppSpec { App = app, DisplayName = request.DisplayName, Role = request.Role, JsonWebKeySet = request.Jwks?.GetRawText() };
                var registration = await grains.Of(app).RegisterAsync(spec, ct);
                return new AppResponse(registration.App, registration.ClientSecret?.Reveal());
            })
            .WithName("RegisterApp").WithSummary("Registers an app, or replaces its registration. A client secret is shown this once.");
        apps.MapDelete("/{app}", async (AppId app, IGrainFactory grains, CancellationToken ct) =>
            {
                await grains.Of(app).DisableAsync(ct);
                return Results.NoContent();
            })
            .WithName("DisableApp").WithSummary("Ends an app; the tokens it has are refused within 60 s.");
    }

    private static TenantId ParseTenant(string text) => TenantId.TryParse(text, out var tenant)
        ? tenant
        : throw new ProblemException(ProblemKind.Invalid, "EHR-GTW-008", "after", "after must be a tenant id.");

    private static IHospitalTenantGrain Of(this IGrainFactory grains, TenantId tenant) =>
        grains.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(tenant));

    private static IAppGrain Of(this IGrainFactory grains, AppId app) => grains.GetGrain<IAppGrain>(GrainKeys.App(app));
}

using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Silo.Configuration;

namespace EhrGrains.Silo.Gateway;

/// <summary>FHIR Subscriptions of a tenant: the webhooks of the app that asks.</summary>
internal static class SubscriptionEndpoints
{
    private const int BodyBytesMax = 65_536;
    private const string Path = "{tenant:" + RouteNames.TenantId + "}/Subscription";

    internal static void MapSubscriptions(this IEndpointRouteBuilder endpoints)
    {
        var fhir = endpoints.MapGroup("/fhir").ExcludeFromDescription().AddEndpointFilter<InTheCallersName>();
        fhir.MapPost(Path, CreateAsync);
        fhir.MapGet(Path, async (HttpContext context, string tenant, IGrainFactory grains, SiloOptions options) =>
            await WriteAsync(context, StatusCodes.Status200OK, await Of(grains, tenant).SearchAsync(Base(context, options, tenant), context.RequestAborted)));
        fhir.MapGet(Path + "/{id}", async (HttpContext context, string tenant, string id, IGrainFactory grains) =>
            await WriteAsync(context, StatusCodes.Status200OK, (await Of(grains, tenant).ReadAsync(id, context.RequestAborted)).Body));
        fhir.MapPut(Path + "/{id}", async (HttpContext context, string tenant, string id, IGrainFactory grains, SiloOptions options) =>
        {
            var body = await FhirRequests.ReadResourceAsync(context.Request, BodyBytesMax, context.RequestAborted);
            var changed = await Of(grains, tenant).UpdateAsync(id, body, Base(context, options, tenant), context.RequestAborted);
            await WriteAsync(context, StatusCodes.Status200OK, changed.Body);
        });
        fhir.MapDelete(Path + "/{id}", async (HttpContext context, string tenant, string id, IGrainFactory grains) =>
        {
            await Of(grains, tenant).DeleteAsync(id, context.RequestAborted);
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        });
        fhir.MapGet(Path + "/{id}/$status", async (HttpContext context, string tenant, string id, IGrainFactory grains) =>
            await WriteAsync(context, StatusCodes.Status200OK, await Of(grains, tenant).GetStatusAsync(id, context.RequestAborted)));
    }

    private static async Task CreateAsync(HttpContext context, string tenant, IGrainFactory grains, SiloOptions options)
    {
        var body = await FhirRequests.ReadResourceAsync(context.Request, BodyBytesMax, context.RequestAborted);
        var gatewayBase = Base(context, options, tenant);
        var made = await Of(grains, tenant).CreateAsync(body, gatewayBase, context.RequestAborted);
        context.Response.Headers.Location = $"{gatewayBase}/Subscription/{made.Id}";
        await WriteAsync(context, StatusCodes.Status201Created, made.Body);
    }

    private static Task WriteAsync(HttpContext context, int status, byte[] json)
    {
        context.Response.StatusCode = status;
        return FhirResponses.WriteBodyAsync(context, json);
    }

    private static string Base(HttpContext context, SiloOptions options, string tenant) => FhirRequests.BaseOf(context.Request, options, tenant);

    private static IWebhooksGrain Of(IGrainFactory grains, string tenant) =>
        grains.GetGrain<IWebhooksGrain>(GrainKeys.Tenant(TenantId.Parse(tenant, null)));
}

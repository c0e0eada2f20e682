using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using EhrGrains.Silo.Configuration;
using EhrGrains.Silo.Telemetry;

namespace EhrGrains.Silo.Gateway;

/// <summary>
/// FHIR R4 over HTTP. A tenant id begins with a small letter and a resource type with a capital, so <c>/fhir/Patient</c> is a
/// search over all tenants of the caller and <c>/fhir/st-mary/Patient</c> one at that tenant.
/// </summary>
internal static class FhirEndpoints
{
    private const string Type = "{type:" + RouteNames.ResourceType + "}";
    private const string Tenant = "{tenant:" + RouteNames.TenantId + "}";

    internal static void MapFhir(this IEndpointRouteBuilder endpoints)
    {
        var fhir = endpoints.MapGroup("/fhir").ExcludeFromDescription();
        fhir.MapGet($"{Tenant}/metadata", MetadataAsync).AllowAnonymous();
        fhir.MapGet($"{Tenant}/{Type}", SearchAsync);
        fhir.MapPost($"{Tenant}/{Type}/_search", SearchAsync);
        fhir.MapGet($"{Tenant}/{Type}/{{id}}", ReadAsync);
        fhir.MapGet($"{Tenant}/{Type}/{{id}}/_history", HistoryAsync);
        fhir.MapGet($"{Tenant}/{Type}/{{id}}/_history/{{version:int:min(1)}}", ReadVersionAsync);
        fhir.MapGet($"{Tenant}/Patient/{{id}}/$everything", EverythingAsync);
        fhir.MapGet(Type, SearchEverywhereAsync);
        fhir.MapPost($"{Type}/_search", SearchEverywhereAsync);
    }

    private static Task MetadataAsync(HttpContext context, string tenant, FhirCalls calls) =>
        calls.RunAsync(context, "capabilities", async (grains, _, options, ct) => FhirAnswer.Of(await grains
            .GetGrain<IEhrQueryGrain>(GrainKeys.Tenant(TenantId.Parse(tenant, null)))
            .GetCapabilitiesAsync(
                FhirRequests.BaseOf(context.Request, options, tenant),
                await SmartConfiguration.TokenEndpointAsync(context, options),
                context.Request.Query["_summary"] == "true",
                ct)));

    private static Task SearchAsync(HttpContext context, string tenant, string type, FhirCalls calls) =>
        calls.RunAsync(context, "search", async (_, queries, options, ct) => await queries.SearchAsync(
            TenantId.Parse(tenant, null),
            context.Features.Get<Caller>(),
            await FhirRequests.ReadSearchAsync(context.Request, type, FhirRequests.BaseOf(context.Request, options, tenant), ct),
            ct));

    private static Task SearchEverywhereAsync(HttpContext context, string type, FhirCalls calls) =>
        calls.RunAsync(context, "federated_search", async (grains, _, options, ct) => FhirAnswer.Of(await grains
            .GetGrain<IFederatedQueryGrain>(Federation.Key)
            .SearchAsync(await FhirRequests.ReadSearchAsync(context.Request, type, FhirRequests.BaseOf(context.Request, options, null), ct), ct)));

    private static Task ReadAsync(HttpContext context, string tenant, string type, string id, FhirCalls calls) =>
        calls.RunAsync(context, "read", (_, queries, options, ct) => queries.ReadAsync(
            TenantId.Parse(tenant, null), context.Features.Get<Caller>(), FhirRequests.ReadRead(context.Request, options, tenant, type, id, null), ct));

    private static Task ReadVersionAsync(HttpContext context, string tenant, string type, string id, int version, FhirCalls calls) =>
        calls.RunAsync(context, "vread", (_, queries, options, ct) => queries.ReadAsync(
            TenantId.Parse(tenant, null), context.Features.Get<Caller>(), FhirRequests.ReadRead(context.Request, options, tenant, type, id, version), ct));

    private static Task HistoryAsync(HttpContext context, string tenant, string type, string id, FhirCalls calls) =>
        calls.RunAsync(context, "history", (_, queries, options, ct) => queries.HistoryAsync(
            TenantId.Parse(tenant, null), context.Features.Get<Caller>(), FhirRequests.ReadHistory(context.Request, options, tenant, type, id), ct));

    private static Task EverythingAsync(HttpContext context, string tenant, string id, FhirCalls calls) =>
        calls.RunAsync(context, "everything", async (_, queries, options, ct) => await queries.EverythingAsync(
            TenantId.Parse(tenant, null),
            context.Features.Get<Caller>(),
            await FhirRequests.ReadEverythingAsync(context.Request, id, FhirRequests.BaseOf(context.Request, options, tenant), ct),
            ct));
}

/// <summary>What a FHIR request is answered by.</summary>
internal delegate Task<FhirAnswer> FhirCall(IGrainFactory grains, Queries queries, SiloOptions options, CancellationToken cancellationToken);

/// <summary>Runs a FHIR request in the caller's name.</summary>
internal sealed class FhirCalls(
    IGrainFactory grains, Queries queries, CallerTickets tickets, SiloOptions options, SiloMetrics metrics, TimeProvider time)
{
    /// <summary>How long a request may take: as long as an Orleans client waits for the same.</summary>
    private static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(90);

    internal async Task RunAsync(HttpContext context, string op, FhirCall call)
    {
        var start = time.GetTimestamp();
        try
        {
            await AnswerAsync(context, call);
        }
        finally
        {
            metrics.Request(op, context.Response.Headers.Age.Count > 0 ? "record" : "live", context.Response.StatusCode, time.GetElapsedTime(start));
        }
    }

    private async Task AnswerAsync(HttpContext context, FhirCall call)
    {
        if (FhirNegotiation.FormatOf(context.Request) is null)
        {
            await Failures.WriteAsync(context, StatusCodes.Status406NotAcceptable, new Problem(
                "EHR-GTW-003", "Accept", "Answers are application/fhir+json or application/fhir+xml, FHIR version 4.0."));
            return;
        }

        using var deadline = new CancellationTokenSource(TimeMax, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, deadline.Token);
        using var scope = context.Features.Get<Caller>() is { } caller ? tickets.Enter(caller) : default(IDisposable);
        using var answer = await call(grains, queries, options, either.Token);
        await FhirResponses.WriteAsync(context, answer);
    }
}

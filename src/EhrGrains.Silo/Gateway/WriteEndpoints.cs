using System.Globalization;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Writes;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using EhrGrains.Silo.Configuration;

namespace EhrGrains.Silo.Gateway;

/// <summary>
/// Creates and updates (R4 http.html#create, #update), their dry run (<c>$validate</c>, resource-operation-validate.html), and how a write
/// stands that was not waited for (<c>Prefer: respond-async</c>, async.html).
/// </summary>
internal static class WriteEndpoints
{
    /// <summary>How long a caller is kept waiting for what comes of a write; then it is told where to ask.</summary>
    private const int WaitSeconds = 30;
    private const string Tenant = "{tenant:" + RouteNames.TenantId + "}";
    private const string Type = "{type:" + RouteNames.ResourceType + "}";

    internal static void MapWrites(this IEndpointRouteBuilder endpoints)
    {
        var fhir = endpoints.MapGroup("/fhir").ExcludeFromDescription();
        fhir.MapPost($"{Tenant}/{Type}", (HttpContext context, string tenant, string type, FhirCalls calls) => WriteAsync(context, tenant, type, null, calls));
        fhir.MapPut($"{Tenant}/{Type}/{{id}}", (HttpContext context, string tenant, string type, string id, FhirCalls calls) => WriteAsync(context, tenant, type, id, calls));
        fhir.MapPost($"{Tenant}/{Type}/$validate", (HttpContext context, string tenant, string type, FhirCalls calls) => CheckAsync(context, tenant, type, null, calls));
        fhir.MapPost($"{Tenant}/{Type}/{{id}}/$validate", (HttpContext context, string tenant, string type, string id, FhirCalls calls) => CheckAsync(context, tenant, type, id, calls));
        fhir.MapGet($"{Tenant}/$write/{{number:long:min(1)}}", StatusAsync);
    }

    private static Task WriteAsync(HttpContext context, string tenant, string type, string? id, FhirCalls calls) =>
        calls.RunAsync(context, id is null ? "create" : "update", async (grains, queries, options, ct) =>
        {
            var preferences = FhirRequests.PreferencesOf(context.Request).ToArray();
            var write = await ReadAsync(context, options, tenant, type, id, ct) with { WaitSeconds = preferences.Contains("respond-async") ? 0 : WaitSeconds };
            var receipt = await Of(grains, tenant).SendAsync(write, ct);
            var status = WriteAnswers.StatusOf(receipt);
            var headers = context.Response.Headers;
            if (status == StatusCodes.Status202Accepted)
            {
                headers.ContentLocation = UrlOf(write.GatewayBase, receipt);
            }

            if (receipt.Id is { } written && status is StatusCodes.Status200OK or StatusCodes.Status201Created)
            {
                headers.Location = $"{write.GatewayBase}/{type}/{receipt.Id}";
                if (preferences.Contains("return=representation"))
                {
                    return await ReadBackAsync(context, queries, write, receipt, status, ct);
                }
            }

            var isMinimal = status < 400 && preferences.Contains("return=minimal") && receipt.Differences.Length == 0;
            return FhirAnswer.Of(new FhirResponse { Status = status, Body = isMinimal ? [] : WriteAnswers.OutcomeOf(receipt), ETag = receipt.ETag });
        });

    // It is written; that it cannot be shown, for want of a scope or of luck, does not change that.
    private static async Task<FhirAnswer> ReadBackAsync(
        HttpContext context, Queries queries, FhirWrite write, WriteReceipt receipt, int status, CancellationToken cancellationToken)
    {
        var read = new FhirRead { Type = receipt.Type, Id = receipt.Id!, GatewayBase = write.GatewayBase, Freshness = Freshness.Ehr };
        using var answer = await queries.ReadAsync(
            TenantId.Parse((string)context.Request.RouteValues["tenant"]!, null), context.Features.Get<Caller>(), read, cancellationToken);
        return FhirAnswer.Of(new FhirResponse
        {
            Status = status,
            Body = answer.Status == StatusCodes.Status200OK ? [.. answer.Head.Span, .. answer.Found.Span, .. answer.Tail.Span] : WriteAnswers.OutcomeOf(receipt),
            ETag = receipt.ETag,
            LastModified = answer.LastModified,
        });
    }

    private static Task CheckAsync(HttpContext context, string tenant, string type, string? id, FhirCalls calls) =>
        calls.RunAsync(context, "validate", async (grains, _, options, ct) =>
        {
            var problems = await Of(grains, tenant).CheckAsync(await ReadAsync(context, options, tenant, type, id, ct), ct);
            return FhirAnswer.Of(new FhirResponse { Status = StatusCodes.Status200OK, Body = WriteAnswers.OutcomeOf(problems) });
        });

    private static Task StatusAsync(HttpContext context, string tenant, long number, FhirCalls calls) =>
        calls.RunAsync(context, "write_status", async (grains, _, options, ct) =>
        {
            var receipt = await Of(grains, tenant).ReceiptAsync(number, ct);
            if (WriteAnswers.StatusOf(receipt) == StatusCodes.Status202Accepted)
            {
                context.Response.Headers["X-Progress"] = WriteAnswers.Word(receipt.State);
                return FhirAnswer.Of(new FhirResponse { Status = StatusCodes.Status202Accepted, Body = [] });
            }

            var gatewayBase = FhirRequests.BaseOf(context.Request, options, tenant);
            return FhirAnswer.Of(new FhirResponse { Status = StatusCodes.Status200OK, Body = WriteAnswers.BundleOf(receipt, gatewayBase) });
        });

    private static async Task<FhirWrite> ReadAsync(HttpContext context, SiloOptions options, string tenant, string type, string? id, CancellationToken cancellationToken) => new()
    {
        Type = type,
        Id = id,
        Resource = await FhirRequests.ReadResourceAsync(context.Request, FhirWrite.BytesMax, cancellationToken),
        IfMatch = context.Request.Headers.IfMatch is { Count: > 0 } version ? version.ToString() : null,
        IdempotencyKey = context.Request.Headers["Idempotency-Key"] is { Count: > 0 } key ? key.ToString() : null,
        GatewayBase = FhirRequests.BaseOf(context.Request, options, tenant),
    };

    private static string UrlOf(string gatewayBase, WriteReceipt receipt) => string.Create(CultureInfo.InvariantCulture, $"{gatewayBase}/$write/{receipt.Number}");

    private static IWritesGrain Of(IGrainFactory grains, string tenant) => grains.GetGrain<IWritesGrain>(GrainKeys.Tenant(TenantId.Parse(tenant, null)));
}

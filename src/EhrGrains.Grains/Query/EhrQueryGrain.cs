using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Capabilities;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Tenants;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;

namespace EhrGrains.Grains.Query;

/// <summary>
/// Runs queries at one tenant. Reentrant: it holds nothing, and a query spends its time waiting for the hospital.
/// </summary>
[GrainType("ehr.query"), StatelessWorker, Reentrant]
internal sealed class EhrQueryGrain(
    QueryFlow flow, TenantSnapshots tenants, QueryMetrics metrics, TimeProvider time, ILogger<EhrQueryGrain> log) : Grain, IEhrQueryGrain
{
    private TenantId Tenant => TenantId.Parse(this.GetPrimaryKeyString(), null);

    public Task<FhirResponse> SearchAsync(FhirSearch search, CancellationToken cancellationToken) => QueryCalls.RunAsync(
        "search",
        async caller =>
        {
            using var answer = await flow.SearchAsync(Tenant, caller, search, cancellationToken);
            return answer.ToSearchset(search);
        },
        metrics,
        time,
        log);

    public Task<FhirResponse> ReadAsync(FhirRead read, CancellationToken cancellationToken) => QueryCalls.RunAsync(
        "read",
        async caller =>
        {
            using var answer = await flow.ReadAsync(Tenant, caller, read, cancellationToken);
            return answer.ToResource();
        },
        metrics,
        time,
        log);

    // Anonymous, as SMART App Launch and FHIR want it: what it says is what the hospital's product can do.
    public async Task<FhirResponse> GetCapabilitiesAsync(
        string gatewayBase, string? tokenEndpoint, bool summary, CancellationToken cancellationToken)
    {
        var snapshot = await tenants.GetAsync(Tenant, cancellationToken);
        if (snapshot is null or { Lifecycle: Lifecycle.Offboarded } || VendorProfiles.Find(snapshot.Spec.Connection.Vendor) is not { } profile)
        {
            return QueryAnswer.Refuse(404, "not-found", "EHR-QRY-001", "There is no such tenant.").ToResource();
        }

        // Of the day: it changes with the tenant and with our version, and neither has a time that every silo agrees on.
        var date = new DateTimeOffset(time.GetUtcNow().UtcDateTime.Date, TimeSpan.Zero);
        var body = CapabilityStatements.Write(profile, gatewayBase, tokenEndpoint, snapshot.Spec.DisplayName, date, summary);
        return new FhirResponse { Status = 200, Body = body };
    }
}

/// <summary>The top of every query: who calls, how long it took, and an answer in FHIR whatever happens.</summary>
internal static partial class QueryCalls
{
    internal static async Task<FhirResponse> RunAsync(
        string op, Func<Caller, Task<FhirResponse>> query, QueryMetrics metrics, TimeProvider time, ILogger log)
    {
        var started = time.GetTimestamp();
        var response = await AnswerAsync(op, query, log);
        metrics.Answered(time.GetElapsedTime(started), op, response.Status);
        return response;
    }

    private static async Task<FhirResponse> AnswerAsync(string op, Func<Caller, Task<FhirResponse>> query, ILogger log)
    {
        var caller = Caller.Current
            ?? throw new ProblemException(ProblemKind.Unauthenticated, "EHR-AUT-001", "", "No access token came with the call.");
        try
        {
            return await query(caller);
        }
        catch (ProblemException e) when (e.Kind == ProblemKind.Unavailable)
        {
            return QueryAnswer.Refuse(503, "transient", e.Problems[0].Code, e.Problems[0].Message, TimeSpan.FromSeconds(5)).ToResource();
        }
        catch (Exception e) when (e is not (OperationCanceledException or ProblemException))
        {
            // The top of a request. The text stays in the log: it is about us, not about the request.
            LogBroke(log, e, op);
            return QueryAnswer.Refuse(500, "exception", "EHR-QRY-008", "The query failed in the silo; its log says why.").ToResource();
        }
    }

    [LoggerMessage(7101, LogLevel.Error, "A {Op} failed in the silo.")]
    private static partial void LogBroke(ILogger logger, Exception e, string op);
}

using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Query;

/// <summary>
/// The queries of a silo, for the grains that serve Orleans clients and for the gateway in the same process, which needs no grain
/// call to get at them: one flow, one answer. The caller has been authenticated; what it may do is checked by the flow.
/// </summary>
public sealed partial class Queries
{
    private readonly QueryFlow flow;
    private readonly QueryMetrics metrics;
    private readonly TimeProvider time;
    private readonly ILogger<Queries> log;

    internal Queries(QueryFlow flow, QueryMetrics metrics, TimeProvider time, ILogger<Queries> log)
    {
        this.flow = flow;
        this.metrics = metrics;
        this.time = time;
        this.log = log;
    }

    /// <summary>Searches a resource type at a tenant, or continues a search where its cursor says.</summary>
    public async Task<FhirAnswer> SearchAsync(TenantId tenant, Caller? caller, FhirSearch search, CancellationToken cancellationToken) =>
        (await RunAsync("search", caller, known => flow.SearchAsync(tenant, known, search, cancellationToken))).ToSearchset(search);

    /// <summary>Reads one resource of a tenant.</summary>
    public async Task<FhirAnswer> ReadAsync(TenantId tenant, Caller? caller, FhirRead read, CancellationToken cancellationToken) =>
        (await RunAsync("read", caller, known => flow.ReadAsync(tenant, known, read, cancellationToken))).ToResource();

    /// <summary>Everything that the patient record has of one patient.</summary>
    public async Task<FhirAnswer> EverythingAsync(
        TenantId tenant, Caller? caller, FhirEverything everything, CancellationToken cancellationToken) =>
        (await RunAsync("everything", caller, known => flow.EverythingAsync(tenant, known, everything, cancellationToken))).ToSearchset(everything);

    /// <summary>The versions of one resource that the patient record has.</summary>
    public async Task<FhirAnswer> HistoryAsync(TenantId tenant, Caller? caller, FhirHistory history, CancellationToken cancellationToken) =>
        (await RunAsync("history", caller, known => flow.HistoryAsync(tenant, known, history, cancellationToken))).ToResource();

    /// <summary>Runs a query: measures it, and makes a refusal of what failed.</summary>
    internal async Task<QueryAnswer> RunAsync(string op, Caller? caller, Func<Caller, Task<QueryAnswer>> query)
    {
        var started = time.GetTimestamp();
        var answer = await AnswerAsync(op, caller, query);
        metrics.Answered(time.GetElapsedTime(started), op, answer.AgeSeconds is null ? "live" : "record", answer.Status);
        return answer;
    }

    private async Task<QueryAnswer> AnswerAsync(string op, Caller? caller, Func<Caller, Task<QueryAnswer>> query)
    {
        if (caller is null or { IsSystem: true })
        {
            throw new ProblemException(ProblemKind.Unauthenticated, "EHR-AUT-001", "", "No access token came with the call.");
        }

        try
        {
            return await query(caller);
        }
        catch (ProblemException e) when (e.Kind == ProblemKind.Unavailable)
        {
            return QueryAnswer.Refuse(503, "transient", e.Problems[0].Code, e.Problems[0].Message, TimeSpan.FromSeconds(5));
        }
        catch (Exception e) when (e is not (OperationCanceledException or ProblemException))
        {
            // The top of a request. The text stays in the log: it is about us, not about the request.
            LogBroke(log, e, op);
            return QueryAnswer.Refuse(500, "exception", "EHR-QRY-008", "The query failed in the silo; its log says why.");
        }
    }

    [LoggerMessage(7101, LogLevel.Error, "A {Op} failed in the silo.")]
    private static partial void LogBroke(ILogger logger, Exception e, string op);
}

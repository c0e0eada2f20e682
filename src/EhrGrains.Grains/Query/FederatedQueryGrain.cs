using System.Buffers;
using EhrGrains.Contracts.Client;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Grains.Callers;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;

namespace EhrGrains.Grains.Query;

/// <summary>
/// Runs one search at every tenant that the caller may see, each by the same flow and with the same checks as a search at that
/// tenant alone. Reentrant: it holds nothing.
/// </summary>
[GrainType("ehr.federatedQuery"), StatelessWorker, Reentrant]
internal sealed partial class FederatedQueryGrain(
    Queries queries, QueryFlow flow, Cursors cursors, QueryMetrics metrics, TimeProvider time, ILogger<FederatedQueryGrain> log) : Grain, IFederatedQueryGrain
{
    /// <summary>How many hospitals are asked at one time.</summary>
    private const int AtOnceMax = 16;

    /// <summary>How long one hospital may take: one that is slow is named, and the others' results are not kept waiting.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    /// <summary>How long all of them may take together: less than the caller waits for the answer.</summary>
    private static readonly TimeSpan AllDeadline = TimeSpan.FromSeconds(75);

    public async Task<FhirResponse> SearchAsync(FhirSearch search, CancellationToken cancellationToken)
    {
        var found = await queries.RunAsync("federated_search", Caller.Current, caller => RunAsync(caller, search, cancellationToken));
        using var answer = found.ToSearchset(search);
        return answer.ToResponse();
    }

    private async Task<QueryAnswer> RunAsync(Caller caller, FhirSearch search, CancellationToken cancellationToken)
    {
        var scope = new CursorScope(null, caller.App, search.Type);
        var page = 1;
        IReadOnlyDictionary<string, string>? next = null;
        if (search.Cursor is { } cursor)
        {
            if (await cursors.OpenAsync(scope, cursor, null, cancellationToken) is not { } position)
            {
                return QueryAnswer.Refuse(
                    400, "value", "EHR-QRY-010", "This cursor is not valid here or not any more. Start the search again from its first page.");
            }

            (next, page) = (position.Next, position.Page);
        }

        var asked = next is not null
            ? [.. next.Keys.Select(tenant => TenantId.Parse(tenant, null))]
            : await GrainFactory.GetGrain<ITenantDirectoryGrain>(TenantDirectory.Key).ListGrantedAsync(caller.App, cancellationToken);
        if (asked.Length == 0)
        {
            return QueryAnswer.Refuse(403, "forbidden", "EHR-QRY-015", "This app has no grant at any tenant. An administrator can give it one.");
        }

        var answers = await AskAllAsync(caller, search, asked, next, cancellationToken);
        var merged = Merge(search, answers);
        var more = answers.Where(a => a.Answer.Next is not null).ToDictionary(a => a.Tenant.Value, a => a.Answer.Next!, StringComparer.Ordinal);
        return merged.Succeeded && more.Count > 0
            ? merged with { Next = await cursors.SealAsync(scope, new SearchPosition(more, page + 1), null, cancellationToken) }
            : merged;
    }

    private async Task<(TenantId Tenant, QueryAnswer Answer)[]> AskAllAsync(
        Caller caller, FhirSearch search, TenantId[] tenants, IReadOnlyDictionary<string, string>? next, CancellationToken cancellationToken)
    {
        using var room = new SemaphoreSlim(AtOnceMax);
        using var end = new CancellationTokenSource(AllDeadline, time);
        using var all = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, end.Token);
        return await Task.WhenAll(tenants.Select(async tenant =>
        {
            var own = search with { GatewayBase = $"{search.GatewayBase}/{tenant}", Cursor = next?[tenant.Value] };
            return (tenant, await AskAsync(caller, tenant, own, room, all.Token, cancellationToken));
        }));
    }

    private async Task<QueryAnswer> AskAsync(
        Caller caller, TenantId tenant, FhirSearch search, SemaphoreSlim room, CancellationToken all, CancellationToken cancellationToken)
    {
        var inRoom = false;
        try
        {
            await room.WaitAsync(all);
            inRoom = true;
            using var deadline = new CancellationTokenSource(Deadline, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(all, deadline.Token);
            return await flow.SearchAsync(tenant, caller, search, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return QueryAnswer.Refuse(504, "timeout", "EHR-QRY-016", $"The hospital did not answer within {Deadline.TotalSeconds:0} s.");
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The top of one hospital's part: the others' results are not lost with it.
            LogTenantFailed(log, e, tenant);
            return QueryAnswer.Refuse(500, "exception", "EHR-QRY-008", "The query failed in the silo; its log says why.");
        }
        finally
        {
            if (inRoom)
            {
                room.Release();
            }
        }
    }

    // All that was found, and for each tenant that did not answer in full who and why: never silent.
    private QueryAnswer Merge(FhirSearch search, (TenantId Tenant, QueryAnswer Answer)[] answers)
    {
        var issues = new List<OutcomeIssue>();
        if (answers.Sum(a => (long)(a.Answer.Content?.Written.Length ?? 0) + 1) > ClientServices.AnswerBytesMax)
        {
            Array.ForEach(answers, a => a.Answer.Dispose());
            return QueryFlow.TooLarge();
        }

        var content = new PooledBuffer(answers.Sum(a => a.Answer.Content?.Written.Length + 1 ?? 0));
        var found = answers.Where(a => a.Answer.Succeeded).ToArray();
        foreach (var (tenant, answer) in answers)
        {
            issues.AddRange(answer.Issues.Select(issue => issue with { Diagnostics = $"{tenant}: {issue.Diagnostics}" }));
            if (answer.Content is { Written.IsEmpty: false } entries)
            {
                content.Write(content.Written.IsEmpty ? [] : ","u8);
                content.Write(entries.Written);
            }

            answer.Dispose();
        }

        if (found.Length == 0)
        {
            var statuses = answers.Select(a => a.Answer.Status).Distinct().ToArray();
            return QueryAnswer.Refuse(
                statuses.Length == 1 ? statuses[0] : 502, issues, answers.Max(a => a.Answer.RetryAfter));
        }

        if (found.Length < answers.Length)
        {
            metrics.Partial();
            LogPartial(log, search.Type, found.Length, answers.Length);
        }

        return new QueryAnswer
        {
            Status = 200,
            Content = content,
            Total = found.Length == answers.Length && found.All(a => a.Answer.Total is not null) ? found.Sum(a => a.Answer.Total) : null,
            Used = search.Parameters,
            Issues = issues,
            Entries = found.Sum(a => a.Answer.Entries),
        };
    }

    [LoggerMessage(7102, LogLevel.Error, "A search over several tenants failed in the silo at tenant {Tenant}.")]
    private static partial void LogTenantFailed(ILogger logger, Exception e, TenantId tenant);

    [LoggerMessage(7103, LogLevel.Warning, "A search of {Type} over several tenants was answered by {Answered} of {Asked}.")]
    private static partial void LogPartial(ILogger logger, string type, int answered, int asked);
}

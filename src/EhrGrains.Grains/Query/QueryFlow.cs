using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Searching;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Client;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Grains.Budgets;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.Audit;
using EhrGrains.Storage.Ids;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Query;

/// <summary>
/// A query at one tenant, from the caller to the answer: tenant and scope check → audit intent → plan by vendor profile → budget
/// permit → token → EHR page, origin-locked → outcome check → normalize → audit outcome. Thread-safe; holds nothing of a query.
/// </summary>
internal sealed partial class QueryFlow(
    TenantSnapshots tenants,
    QueryAudit audit,
    IdAliasTable aliases,
    Cursors cursors,
    Normalizers normalizers,
    EhrLine ehr,
    RecordAnswers records,
    EhrPatientLinks links,
    ILogger<QueryFlow> log)
{
    /// <summary>How many empty pages in a row are followed for one answer; then the caller goes on with the cursor.</summary>
    internal const int EmptyPagesMax = 10;

    /// <summary>How many pages one search may have: an EHR that never comes to an end is stopped here.</summary>
    internal const int PagesMax = 10_000;

    /// <summary>Searches, or goes on with a search.</summary>
    internal async Task<QueryAnswer> SearchAsync(TenantId tenant, Caller caller, FhirSearch search, CancellationToken cancellationToken)
    {
        var (snapshot, refusal) = await AdmitAsync(tenant, caller, search.Type, Interactions.Search, cancellationToken);
        if (refusal is not null)
        {
            return refusal;
        }

        var query = new QueryScope(tenant, caller, snapshot!, normalizers.For(tenant, snapshot!));
        return await AuditedAsync(
            query, "search", search.Type, QueryAudit.PatientsIn(search), () => AnswerAsync(query, search, cancellationToken), cancellationToken);
    }

    /// <summary>Reads one resource.</summary>
    internal async Task<QueryAnswer> ReadAsync(TenantId tenant, Caller caller, FhirRead read, CancellationToken cancellationToken)
    {
        var (snapshot, refusal) = await AdmitAsync(tenant, caller, read.Type, Interactions.Read, cancellationToken);
        if (refusal is not null)
        {
            return refusal;
        }

        var query = new QueryScope(tenant, caller, snapshot!, normalizers.For(tenant, snapshot!));
        IEnumerable<string> patients = read.Type == "Patient" ? [read.Id] : [];
        return await AuditedAsync(query, "read", read.Type, patients, () => AnswerAsync(query, read, cancellationToken), cancellationToken);
    }

    // Nobody is refused from memory: a grant that was given a moment ago holds.
    private async ValueTask<(TenantSnapshot? Snapshot, QueryAnswer? Refusal)> AdmitAsync(
        TenantId tenant, Caller caller, string type, Interactions interaction, CancellationToken cancellationToken)
    {
        var known = await tenants.GetAsync(tenant, cancellationToken);
        if (Admission.Refuse(caller, known, type, interaction) is null)
        {
            return (known, null);
        }

        var now = await tenants.GetNowAsync(tenant, cancellationToken);
        return (now, Admission.Refuse(caller, now, type, interaction));
    }

    // I5: nothing is asked of the EHR, and so no PHI can leave, before the intent is committed.
    private async Task<QueryAnswer> AuditedAsync(
        QueryScope query, string action, string type, IEnumerable<string> patients, Func<Task<QueryAnswer>> run, CancellationToken cancellationToken)
    {
        AuditedQuery intent;
        try
        {
            intent = await audit.BeginAsync(query.Tenant, query.Caller, action, type, patients, cancellationToken);
        }
        catch (AuditUnavailableException e)
        {
            return QueryAnswer.Refuse(503, "transient", "EHR-QRY-004", e.Message, TimeSpan.FromSeconds(2));
        }

        var answer = QueryAnswer.Refuse(499, "exception", "EHR-QRY-008", "The query was cancelled or failed in the silo.");
        try
        {
            answer = await run();
        }
        catch (BudgetRefusedException e)
        {
            answer = QueryAnswer.Refuse(429, "throttled", "EHR-QRY-005", e.Message, e.RetryAfter);
        }
        catch (FhirFormatException e)
        {
            answer = QueryAnswer.Refuse(502, "exception", "EHR-QRY-006", $"The hospital's answer cannot be read. {e.Message}");
        }
        catch (AnswerTooLargeException)
        {
            answer = TooLarge();
        }
        finally
        {
            audit.End(intent, answer);
        }

        if (answer.Status >= 500)
        {
            LogFailed(log, action, type, query.Tenant, answer.Status, answer.Issues[^1].DetailCode);
        }

        return answer;
    }

    private async Task<QueryAnswer> RunSearchAsync(
        QueryScope query, FhirSearch search, SearchPosition? position, JoinState? join, CancellationToken cancellationToken)
    {
        var scope = new CursorScope(query.Tenant, query.Caller.App, search.Type);
        var baseUrl = query.Spec.Connection.BaseUrl;
        var page = position?.Page ?? 1;
        var plan = position is not null
            ? SearchPlanner.PlanNext(position.Next[query.Tenant.Value], query.Spec, query.Rules.Profile)
            : await PlanAsync(query, search, cancellationToken);
        var patients = position is not null ? PatientsOf(position) : QueryAudit.OnlyPatientsOf(search);
        var issues = new List<OutcomeIssue>(plan.Warnings);
        var used = plan.Used;
        for (var empty = 0; ; empty++, page++)
        {
            if (plan.Request is not { } request)
            {
                return RefusePlan(plan, page > 1 ? 502 : 400);
            }

            var (found, content, failure) = await FetchPageAsync(query, search, request, patients, cancellationToken);
            if (found is null)
            {
                return failure!;
            }

            issues.AddRange(found.Issues);
            var goesOn = found.Next is not null && found.Next != request.Url;
            if (goesOn && found.Matches + found.Others == 0 && empty < EmptyPagesMax && page < PagesMax)
            {
                content!.Dispose();
                plan = SearchPlanner.PlanNext(found.Next!, query.Spec, query.Rules.Profile);
                continue;
            }

            join?.Add(content!.Written);
            AddIncomplete(issues, found, endless: found.Next is not null && (!goesOn || page >= PagesMax));
            return new QueryAnswer
            {
                Status = 200,
                Content = content,
                Total = found.Total,
                Next = goesOn && page < PagesMax ? await cursors.SealAsync(scope, At(query.Tenant, found.Next!, page + 1, patients, join), baseUrl, cancellationToken) : null,
                Used = used,
                Issues = issues,
                Entries = found.Matches + found.Others,
                Patients = found.Patients,
            };
        }
    }

    // One page, normalized, its aliases stored: before the answer leaves, or nobody could follow them.
    private async Task<(PageResult? Found, PooledBuffer? Content, QueryAnswer? Failure)> FetchPageAsync(
        QueryScope query, FhirSearch search, EhrRequest request, HashSet<string>? patients, CancellationToken cancellationToken)
    {
        using var answer = await ehr.SendAsync(query.Tenant, query.Spec.Connection, request, Lane.Interactive, cancellationToken);
        if (answer.Failure != EhrFailure.None)
        {
            return (null, null, EhrRefusals.Of(answer, request.Op, query.Rules.Profile));
        }

        var content = new PooledBuffer(answer.Body.Length + (answer.Body.Length / 4) + 256);
        var found = query.Rules.Normalizer.NormalizePage(
            answer.Body.Span,
            new PageRequest(search.Type, search.GatewayBase, Admission.MayInclude(query.Caller, query.Snapshot), patients),
            content);
        if (found.SessionExpired)
        {
            content.Dispose();
            return (null, null, EhrRefusals.SessionExpired());
        }

        await SaveAliasesAsync(query.Tenant, found.Aliases, cancellationToken);
        await LinkAsync(query, search.Type, content, cancellationToken);
        return (found, content, null);
    }

    private async Task<QueryAnswer> RunReadAsync(QueryScope query, FhirRead read, CancellationToken cancellationToken)
    {
        var original = ResourceIds.IsAlias(read.Id) ? await aliases.FindAsync(query.Tenant, read.Id, cancellationToken) : null;
        var plan = SearchPlanner.PlanRead(read, query.Spec, query.Rules.Profile, _ => original);
        if (plan.Request is not { } request)
        {
            return RefusePlan(plan, 404);
        }

        using var answer = await ehr.SendAsync(query.Tenant, query.Spec.Connection, request, Lane.Interactive, cancellationToken);
        if (answer.Failure != EhrFailure.None)
        {
            return EhrRefusals.Of(answer, request.Op, query.Rules.Profile);
        }

        var content = new PooledBuffer(answer.Body.Length + 1024);
        var found = query.Rules.Normalizer.NormalizeResource(answer.Body.Span, content);
        if (found.Type != read.Type)
        {
            var outcomes = OperationOutcomes.Read(answer.Body.Span, query.Rules.Profile);
            return QueryAnswer.Refuse(
                502, [.. outcomes, new OutcomeIssue("error", "exception", $"The hospital answered with something else than a {read.Type}.", "EHR-QRY-011")]);
        }

        if (found.Id != read.Id)
        {
            // Someone's data under another's id is worse than none.
            return QueryAnswer.Refuse(
                502, "exception", "EHR-QRY-027", $"The hospital answered with another {read.Type} than was asked for. Nothing of it is shown. Ask the hospital.");
        }

        await SaveAliasesAsync(query.Tenant, found.Aliases, cancellationToken);
        await LinkAsync(query, read.Type, content, cancellationToken);
        return new QueryAnswer
        {
            Status = 200,
            Content = content,
            ETag = answer.ETag ?? (found.VersionId is { } version ? $"W/\"{version}\"" : null),
            LastModified = answer.LastModified ?? found.LastUpdated,
            Entries = 1,
            Patients = found.Patients,
        };
    }

    private async Task<SearchPlan> PlanAsync(QueryScope query, FhirSearch search, CancellationToken cancellationToken)
    {
        var originals = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var alias in SearchPlanner.AliasesIn(search))
        {
            originals[alias] = await aliases.FindAsync(query.Tenant, alias, cancellationToken);
        }

        return SearchPlanner.Plan(search, query.Spec, query.Rules.Profile, originals.GetValueOrDefault);
    }

    /// <summary>What is told when an answer does not fit into one message.</summary>
    internal static QueryAnswer TooLarge() => QueryAnswer.Refuse(
        502, "too-costly", "EHR-QRY-017", $"The answer is larger than {ClientServices.AnswerBytesMax >> 20} MiB. Ask for smaller pages with _count.");

    private static SearchPosition At(TenantId tenant, string next, int page, HashSet<string>? patients, JoinState? join)
    {
        var position = new Dictionary<string, string>(StringComparer.Ordinal) { [tenant.Value] = next };
        if (patients is not null)
        {
            position[Cursors.PatientsKey] = string.Join(',', patients);
        }

        if (join is not null)
        {
            position[JoinState.Key] = join.Write();
        }

        return new SearchPosition(position, page);
    }

    private static HashSet<string>? PatientsOf(SearchPosition position) =>
        position.Next.TryGetValue(Cursors.PatientsKey, out var patients) ? [.. patients.Split(',')] : null;

    // Partial is passed on as partial, in words that a caller can look for.
    private static void AddIncomplete(List<OutcomeIssue> issues, PageResult found, bool endless)
    {
        if (endless)
        {
            issues.Add(new OutcomeIssue(
                "error", "incomplete", "The hospital's paging does not come to an end; what follows this page was not asked for.", "EHR-QRY-012"));
        }
        else if (found.Incomplete && !issues.Exists(issue => issue.Code == "incomplete"))
        {
            issues.Add(new OutcomeIssue("warning", "incomplete", "The hospital's answer does not hold all matches.", "EHR-QRY-014"));
        }
    }

    private async ValueTask SaveAliasesAsync(TenantId tenant, IReadOnlyList<IdAlias> given, CancellationToken cancellationToken)
    {
        if (given.Count > 0)
        {
            await aliases.SaveAsync(tenant, [.. given.Select(alias => (alias.Alias, alias.Original))], cancellationToken);
        }
    }

    // A type that is not served is not there (FHIR R4 http.html#summary); a bad link to the next page is the hospital's fault.
    private static QueryAnswer RefusePlan(SearchPlan plan, int status) => QueryAnswer.Refuse(
        status == 400 && plan.Problems.Any(p => p.DetailCode is "EHR-PLN-001" or "EHR-PLN-002" or "EHR-PLN-003") ? 404 : status, plan.Problems);

    [LoggerMessage(7100, LogLevel.Warning, "A {Action} of {Type} at tenant {Tenant} ended with {Status} ({Code}).")]
    private static partial void LogFailed(ILogger logger, string action, string type, TenantId tenant, int status, string? code);
}

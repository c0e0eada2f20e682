using EhrGrains.Connect;
using EhrGrains.Connect.Preflight;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Query;
using EhrGrains.Grains.Tokens;
using EhrGrains.Storage.Ids;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Preflight;

/// <summary>
/// Runs the checks of a site, one run at a time. All methods interleave: progress is asked for while a run is under way, and a second run
/// is refused rather than kept waiting. What they share is <see cref="running"/> alone, and a run only adds to its list.
/// </summary>
[GrainType("ehr.preflight")]
internal sealed partial class PreflightGrain(
    EhrLine line, SiteProbes probes, ConnectOptions connect, ConnectMetrics connectMetrics, TokenRequests tokens, IdAliasTable aliases, QueryAudit audit,
    CommandAudit commands, GrainMetrics metrics, TimeProvider time, ILogger<PreflightGrain> log) : Grain, IPreflightGrain
{
    private const int TypesMax = 64;
    private const int SearchesMax = 200;
    private const int ParametersMax = 16;

    private const int SecondsMin = 5;

    private static readonly TimeSpan ProgressWait = TimeSpan.FromSeconds(5);

    private PreflightRun? running;

    private TenantId Tenant => TenantId.TryParse(this.GetPrimaryKeyString(), out var tenant)
        ? tenant
        : throw new ProblemException(ProblemKind.NotFound, "EHR-TEN-100", "tenant", "There is no such tenant.");

    public async Task<PreflightPlan> PlanAsync(PreflightRequest request, CancellationToken cancellationToken)
    {
        var site = await SiteAsync(request, cancellationToken);
        return new PreflightPlan(site.RequestsPlanned, [.. site.Types.Select(type => type.Type)]);
    }

    public async Task<PreflightReport> RunAsync(PreflightRequest request, CancellationToken cancellationToken)
    {
        var site = await SiteAsync(request, cancellationToken);
        if (running is not null)
        {
            throw new ProblemException(ProblemKind.Conflict, "EHR-PRE-001", "", "A preflight of this tenant is under way; wait until it has ended.");
        }

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(request.Seconds), time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var tools = new PreflightTools(line, probes, connect, connectMetrics, tokens, aliases, audit, GrainFactory, time);
        var run = running = new PreflightRun(site, tools, deadline.Token);
        try
        {
            return await commands.RunAsync(
                site.Tenant, "preflight.run", () => RunAsync(run, cancellationToken), cancellationToken, request.Patient is { } patient ? [patient] : []);
        }
        finally
        {
            running = null;
            run.Signal();
        }
    }

    public async Task<PreflightCheck[]> ProgressAsync(int after, CancellationToken cancellationToken)
    {
        if (running is not { } run)
        {
            return [];
        }

        if (run.Checks.Count <= after)
        {
            using var patience = new CancellationTokenSource(ProgressWait, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
            await run.More.WaitAsync(either.Token).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }

        return [.. run.Checks.Skip(Math.Max(0, after))];
    }

    private async Task<PreflightReport> RunAsync(PreflightRun run, CancellationToken cancellationToken)
    {
        var (startedAt, started) = (time.GetUtcNow(), time.GetTimestamp());
        try
        {
            await CheckAsync(run);
        }
        catch (OperationCanceledException) when (run.Deadline.IsCancellationRequested)
        {
            // Its time is over: what was found until then is told.
        }

        // What was left because the caller is gone is nobody's report.
        cancellationToken.ThrowIfCancellationRequested();
        run.SkipRest();
        var failed = run.Checks.Count(check => check.State == PreflightState.Failed);
        metrics.Preflight(run.Site.Connection.Vendor, failed > 0 ? "failed" : run.Checks.Any(check => check.State == PreflightState.Warning) ? "warning" : "passed");
        LogEnded(log, run.Site.Tenant, run.Checks.Count, failed, run.Requests);
        return new PreflightReport
        {
            Tenant = run.Site.Tenant.Value,
            DisplayName = run.Site.Spec.DisplayName,
            Vendor = run.Site.Connection.Vendor,
            BaseUrl = run.Site.Connection.BaseUrl,
            StartedAt = startedAt,
            Duration = time.GetElapsedTime(started),
            Requests = run.Requests,
            Checks = [.. run.Checks.OrderBy(static check => check.Code, StringComparer.Ordinal)],
        };
    }

    private static async Task CheckAsync(PreflightRun run)
    {
        await ConfigurationChecks.RunAsync(run);
        await NetworkChecks.RunAsync(run);
        await DiscoveryChecks.RunAsync(run);
        await StatementChecks.RunAsync(run);
        await CredentialChecks.RunAsync(run);
        var answers = new AnswerChecks(run);
        await answers.RunFirstAsync();
        await run.FindPatientAsync();
        var found = await new SearchChecks(run).RunAsync();
        await new PagingChecks(run).RunAsync(found);
        await answers.RunAsync(found);
        await UsageChecks.RunAsync(run);
        await FeedChecks.RunAsync(run);
    }

    private async Task<PreflightSite> SiteAsync(PreflightRequest request, CancellationToken cancellationToken)
    {
        Check(request);
        var description = await GrainFactory.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(Tenant)).DescribeAsync(cancellationToken);
        var profile = VendorProfiles.For(description.Spec.Connection, description.ProbedProfile) ?? throw new ProblemException(
            ProblemKind.Unavailable, "EHR-QRY-009", "connection.vendor", "This silo does not know the tenant's vendor profile; it may be older than the others.");
        return new PreflightSite(Tenant, description, profile, request);
    }

    private static void Check(PreflightRequest? request)
    {
        var problems = new List<Problem>();
        if (request?.Patient is { } patient && !PatientId.TryParse(patient, out _))
        {
            problems.Add(new("EHR-PRE-002", "patient", "A patient's id has 1 to 64 characters: A-Z, a-z, 0-9, '-' and '.'."));
        }

        if (request?.Types is not { Length: <= TypesMax } types || !types.All(ResourceTypes.All.Contains))
        {
            problems.Add(new("EHR-PRE-003", "types", "At most 64 types of FHIR R4, each by its name."));
        }

        if (request?.Searches is not { Length: <= SearchesMax } searches || !searches.All(search => ResourceTypes.All.Contains(search.Type) && search.Parameters.Length <= ParametersMax))
        {
            problems.Add(new("EHR-PRE-005", "searches", "At most 200 searches of types of FHIR R4, each with at most 16 parameters."));
        }

        if (request?.RequestsMax is not (>= 10 and <= 1_000))
        {
            problems.Add(new("EHR-PRE-004", "requestsMax", "State 10 to 1,000 requests."));
        }

        if (request?.Seconds is not (>= SecondsMin and <= PreflightRequest.SecondsMax))
        {
            problems.Add(new("EHR-PRE-006", "seconds", "State 5 to 600 seconds."));
        }

        if (problems.Count > 0)
        {
            throw new ProblemException(ProblemKind.Invalid, problems);
        }
    }

    [LoggerMessage(1030, LogLevel.Information, "A preflight of tenant {Tenant} ended: {Checks} checks, {Failed} failed, {Requests} requests")]
    private static partial void LogEnded(ILogger logger, TenantId tenant, int checks, int failed, int requests);
}

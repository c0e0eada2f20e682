using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Preflight;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Grains.Budgets;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using EhrGrains.Storage.Audit;

namespace EhrGrains.Grains.Preflight;

/// <summary>
/// One run: what was found so far, and the one way to ask the site, which counts, audits and stops when it is of no use to go on. Not
/// thread-safe.
/// </summary>
internal sealed class PreflightRun(PreflightSite site, PreflightTools tools, CancellationToken deadline)
{
    private const int FailuresMax = 3;
    private const int TextMax = 300;
    private const string Over = "The time of the run was over.";

    // Waiting ahead of scheduled copies, behind everybody who waits for an answer.
    private const Lane ProbeLane = Lane.Event;

    private readonly List<PreflightCheck> checks = [];
    private readonly List<TimeSpan> latencies = [];
    private TaskCompletionSource more = NewSignal();
    private int failures;

    internal PreflightSite Site { get; } = site;

    internal PreflightTools Tools { get; } = tools;

    /// <summary>Cancelled when the time of the run is over or nobody waits for it any longer.</summary>
    internal CancellationToken Deadline { get; } = deadline;

    internal IReadOnlyList<PreflightCheck> Checks => checks;

    /// <summary>Done when there is more than there was.</summary>
    internal Task More => more.Task;

    /// <summary>Why nothing more is sent; null: something may be.</summary>
    internal string? Halt { get; set; }

    /// <summary>The resource types that the site says it has; null: it does not say.</summary>
    internal IReadOnlySet<string>? Served { get; set; }

    /// <summary>
    /// How bad it is that a type cannot be had: where nobody named it and the site does not have it, or who named it can do without,
    /// nothing is lost but the type.
    /// </summary>
    internal PreflightState WithoutType(string type)
    {
        var isNeeded = Site.Request is { Types: [], Searches: [] }
            ? Served is not { } served || served.Contains(type)
            : Site.Types.Any(tried => tried.Type == type && tried.IsMust);
        return isNeeded ? PreflightState.Failed : PreflightState.Warning;
    }

    /// <summary>FHIR requests that were sent.</summary>
    internal int Requests { get; private set; }

    /// <summary>The EHR's own id of the test patient; null: there is none.</summary>
    internal string? OriginalPatient { get; private set; }

    /// <summary>How long the answers took.</summary>
    internal IReadOnlyList<TimeSpan> Latencies => latencies;

    /// <summary>How far the site's clock is off at most; null: it never told the time.</summary>
    internal TimeSpan? ClockAhead { get; private set; }

    /// <summary>What the answers came with, each once.</summary>
    internal HashSet<string> LimitHeaders { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>How answers were compressed though nobody asked for it.</summary>
    internal string? Compressed { get; private set; }

    /// <summary>The versions of HTTP.</summary>
    internal HashSet<Version> HttpVersions { get; } = [];

    /// <summary>Answers 429 and 503, with their <c>Retry-After</c> where they had one.</summary>
    internal List<string?> Waits { get; } = [];

    internal void Pass(Check check, string seen, string? target = null) => Add(check, PreflightState.Passed, seen, null, target);

    internal void Skip(Check check, string why, string? target = null) => Add(check, PreflightState.Skipped, why, null, target);

    internal void Warn(Check check, string seen, string change, string? target = null) => Add(check, PreflightState.Warning, seen, change, target);

    internal void Fail(Check check, string seen, string change, string? target = null) => Add(check, PreflightState.Failed, seen, change, target);

    /// <summary>One of two, for a thing that either holds or does not.</summary>
    internal void Judge(Check check, bool holds, string seen, string change, PreflightState otherwise = PreflightState.Failed, string? target = null) =>
        Add(check, holds ? PreflightState.Passed : otherwise, seen, holds ? null : change, target);

    /// <summary>Skips all of them for one reason.</summary>
    internal void SkipAll(string why, params ReadOnlySpan<Check> all)
    {
        foreach (var check in all)
        {
            Skip(check, why);
        }
    }

    /// <summary>Skips what was not come to.</summary>
    internal void SkipRest()
    {
        foreach (var check in Check.All.ExceptBy(checks.Select(static found => found.Code), static check => check.Code).ToArray())
        {
            Skip(check, Halt ?? Over);
        }
    }

    /// <summary>Looks up the EHR's id of the test patient, where the gateway has another.</summary>
    internal async Task FindPatientAsync()
    {
        if (Site.Request.Patient is { } patient)
        {
            OriginalPatient = ResourceIds.IsAlias(patient) ? await Tools.Aliases.FindAsync(Site.Tenant, patient, Deadline) ?? patient : patient;
        }
    }

    /// <summary>Asks with a token for what may be of a patient: on the audit trail before it is sent. Null: nothing was sent, see <see cref="Halt"/>.</summary>
    /// <exception cref="ProblemException">Unavailable: it could not be audited.</exception>
    internal async Task<ProbeAnswer?> AskAsync(EhrRequest request)
    {
        if (!MayAsk())
        {
            return null;
        }

        var audited = await BeginAsync(request.ResourceType);
        var answer = await OnceAsync();
        if (answer is { Status: 429 } throttled && MayAsk())
        {
            // That it was throttled is noted; what is asked for shows at the second try, for which the budget waits as long as it was told.
            throttled.Dispose();
            answer = await OnceAsync();
        }

        using var outcome = new QueryAnswer { Status = answer?.Status ?? 0 };
        Tools.Audit.End(audited, outcome);
        return answer;

        Task<ProbeAnswer?> OnceAsync() =>
            SendAsync(ct => Tools.Probes.AskAsync(Site.Tenant, Site.Connection, request, Tools.Line.Access(Site.Tenant, ProbeLane), ct));
    }

    /// <summary>Asks for what anyone may see. Null: nothing was sent, see <see cref="Halt"/>.</summary>
    internal async Task<ProbeAnswer?> AskAnyoneAsync(EhrRequest request) => MayAsk()
        ? await SendAsync(ct => Tools.Probes.AskAnyoneAsync(Site.Tenant, Site.Connection, request, Tools.Line.Access(Site.Tenant, ProbeLane), ct))
        : null;

    private bool MayAsk()
    {
        Halt ??= Requests >= Site.Request.RequestsMax ? $"The bound of {Site.Request.RequestsMax} requests was reached." : null;
        return Halt is null;
    }

    private async Task<AuditedQuery> BeginAsync(string type)
    {
        try
        {
            return await Tools.Audit.BeginAsync(
                Site.Tenant, Caller.Current!, "preflight", type, Site.Request.Patient is { } patient ? [patient] : [], Deadline);
        }
        catch (AuditUnavailableException e)
        {
            throw new ProblemException(ProblemKind.Unavailable, "EHR-AUD-001", "", e.Message);
        }
    }

    private async Task<ProbeAnswer?> SendAsync(Func<CancellationToken, Task<ProbeAnswer>> send)
    {
        try
        {
            Requests++;
            var answer = await send(Deadline);
            Note(answer);
            return answer;
        }
        catch (BudgetRefusedException e)
        {
            Halt = $"The site budget gave no permit in time: {e.Message}";
            return null;
        }
        catch (OperationCanceledException) when (Deadline.IsCancellationRequested)
        {
            Halt = Over;
            return null;
        }
    }

    private void Note(ProbeAnswer answer)
    {
        if (answer.Status > 0)
        {
            latencies.Add(answer.Elapsed);
        }

        if (answer.ClockAhead is { } ahead && (ClockAhead is not { } before || ahead.Duration() > before.Duration()))
        {
            ClockAhead = ahead;
        }

        LimitHeaders.UnionWith(answer.LimitHeaders);
        Compressed ??= answer.ContentEncoding;
        if (answer.HttpVersion is { } version)
        {
            HttpVersions.Add(version);
        }

        if (answer.Status is 429 or 503)
        {
            Waits.Add(answer.RetryAfter);
        }

        failures = answer.Failure is EhrFailure.ConnectFailed or EhrFailure.TimedOut ? failures + 1 : 0;
        if (failures >= FailuresMax || answer.Failure is EhrFailure.NoToken or EhrFailure.EgressRefused or EhrFailure.TlsFailed or EhrFailure.CircuitOpen)
        {
            Halt = answer.Problem?.Message ?? "The hospital does not answer.";
        }
    }

    // What a site says of itself may be anything: it is shown plain and short.
    private void Add(Check check, PreflightState state, string seen, string? change, string? target)
    {
        checks.Add(new PreflightCheck(check.Code, check.Name, target, state, Plain(seen), change is null ? null : Plain(change), check.Owner));
        Signal();
    }

    internal void Signal()
    {
        var waiting = more;
        more = NewSignal();
        waiting.TrySetResult();
    }

    private static string Plain(string text)
    {
        var plain = text.Any(char.IsControl) ? string.Concat(text.Select(static c => char.IsControl(c) ? ' ' : c)) : text;
        return plain.Length <= TextMax ? plain : plain[..TextMax] + "…";
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

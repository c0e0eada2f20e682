using System.Globalization;
using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Searching;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Query;
using EhrGrains.Storage.Ids;

namespace EhrGrains.Grains.Sync;

/// <summary>What reading has come to.</summary>
internal enum ReadOutcome
{
    /// <summary>It was read.</summary>
    Read,

    /// <summary>The EHR has ended the search, which has to begin again.</summary>
    Expired,

    /// <summary>The EHR refuses this, and will go on doing so.</summary>
    Refused,

    /// <summary>The EHR does not know what was asked for.</summary>
    NotServed,

    /// <summary>It may go better another time.</summary>
    Later,

    /// <summary>Nothing can be had of the EHR now.</summary>
    Down,
}

/// <summary>What was read, or why not.</summary>
internal readonly record struct SyncRead(ReadOutcome Outcome, SyncPage? Page, Problem? Problem)
{
    /// <summary>The resource that the EHR leads to in place of the one that was asked for.</summary>
    internal string? Elsewhere { get; init; }
}

/// <summary>Reads pages and resources of one patient for the copy: planned by the vendor profile, normalized, with ids that can be followed.</summary>
internal sealed class EhrReader(EhrLine line, IdAliasTable aliases, TenantId tenant, TenantSpec spec, TenantRules rules, Lane lane)
{
    // Nothing that is kept has a URL of ours in it: entries are taken without their fullUrl.
    private const string NoGateway = "https://gateway.invalid/fhir";

    /// <summary>The page that comes next in a run.</summary>
    internal async Task<SyncRead> PageAsync(TypeRun run, PatientId patient, CancellationToken cancellationToken)
    {
        var position = run.Position!;
        var plan = position.Next is { } next
            ? SearchPlanner.PlanNext(next, spec, rules.Profile)
            : await PlanAsync(run, patient, cancellationToken);
        if (plan.Request is not { } request)
        {
            var issue = plan.Problems[0];
            return new SyncRead(ReadOutcome.Refused, null, new Problem(issue.DetailCode ?? "EHR-SYN-005", "", issue.Diagnostics));
        }

        using var answer = await line.SendAsync(tenant, spec.Connection, request, lane, cancellationToken);
        if (answer.Failure != EhrFailure.None)
        {
            return Failed(answer, request.Op);
        }

        try
        {
            using var content = new PooledBuffer(answer.Body.Length + (answer.Body.Length / 4) + 256);
            var found = rules.Normalizer.NormalizePage(answer.Body.Span, new PageRequest(run.Type, NoGateway), content);
            await SaveAliasesAsync(found.Aliases, cancellationToken);
            return found.SessionExpired
                ? new SyncRead(ReadOutcome.Expired, null, null)
                : new SyncRead(ReadOutcome.Read, SyncPage.Read(found, content.Written, run.Type, run.Rules), null);
        }
        catch (FhirFormatException e)
        {
            return new SyncRead(ReadOutcome.Later, null, SyncProblems.Unreadable(e.Message));
        }
        catch (AnswerTooLargeException)
        {
            return new SyncRead(ReadOutcome.Refused, null, SyncProblems.TooLarge);
        }
    }

    /// <summary>One resource by its id, as a page of one.</summary>
    internal async Task<SyncRead> ResourceAsync(TypeRun run, string id, CancellationToken cancellationToken)
    {
        var original = ResourceIds.IsAlias(id) ? await aliases.FindAsync(tenant, id, cancellationToken) : null;
        var plan = SearchPlanner.PlanRead(
            new FhirRead { Type = run.Type, Id = id, GatewayBase = NoGateway }, spec, rules.Profile, _ => original);
        if (plan.Request is not { } request)
        {
            return new SyncRead(ReadOutcome.Refused, null, new Problem("EHR-SYN-005", "", plan.Problems[0].Diagnostics));
        }

        using var answer = await line.SendAsync(tenant, spec.Connection, request, lane, cancellationToken);
        if (answer.Failure != EhrFailure.None)
        {
            return Failed(answer, request.Op) with { Elsewhere = await TargetAsync(answer, run.Type, cancellationToken) };
        }

        try
        {
            using var content = new PooledBuffer(answer.Body.Length + 1024);
            var found = rules.Normalizer.NormalizeResource(answer.Body.Span, content);
            await SaveAliasesAsync(found.Aliases, cancellationToken);
            var json = content.Written.ToArray();
            return found.Type != run.Type
                ? new SyncRead(ReadOutcome.Refused, null, SyncProblems.Unreadable("It is of another type than was asked for."))
                : new SyncRead(ReadOutcome.Read, new SyncPage { Entries = [new SyncEntry(ResourceFacts.Read(json, run.Rules.Hydrate), json)] }, null);
        }
        catch (FhirFormatException e)
        {
            return new SyncRead(ReadOutcome.Refused, null, SyncProblems.Unreadable(e.Message));
        }
        catch (AnswerTooLargeException)
        {
            return new SyncRead(ReadOutcome.Refused, null, SyncProblems.TooLarge);
        }
    }

    // A path that ends with the type and an id, as a relative reference does; the redirect itself is not followed (I7).
    private async ValueTask<string?> TargetAsync(EhrAnswer answer, string type, CancellationToken cancellationToken)
    {
        if (answer.Failure != EhrFailure.Redirected || answer.Location?.Split('?')[0].Split('/') is not [.., var named, { Length: > 0 } original] || named != type)
        {
            return null;
        }

        var id = ResourceIds.ToLegal(original, out var needsAlias);
        await SaveAliasesAsync(needsAlias ? [new IdAlias(id, original)] : [], cancellationToken);
        return id;
    }

    /// <summary>What a type's searches are, as a number: where it changes, what is missing may only be elsewhere.</summary>
    internal static ulong ScopeOf(SyncTypeRules rules, SyncSpec sync)
    {
        var searches = rules.Searches.Select(search => string.Join('&', search.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"{p.Key}={p.Value}")));
        var text = string.Join('|', searches.Append(rules.DateParameter is null ? "" : sync.From ?? ""));
        return BitConverter.ToUInt64(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(text)));
    }

    private async Task<SearchPlan> PlanAsync(TypeRun run, PatientId patient, CancellationToken cancellationToken)
    {
        var (position, type) = (run.Position!, run.Rules);
        var parameters = new List<SearchParameter> { new(type.PatientParameter, patient.Value) };
        parameters.AddRange(type.Searches[position.Search].Select(p => new SearchParameter(p.Key, p.Value)));
        if (!position.IsWhole && run.Status.Watermark is { } watermark)
        {
            parameters.Add(new SearchParameter(type.DateParameter ?? "_lastUpdated", $"ge{Instant(watermark.AddSeconds(-type.OverlapSeconds), type.DateOnly)}"));
        }
        else if (type.DateParameter is { } date && spec.Sync.From is { } from)
        {
            parameters.Add(new SearchParameter(date, $"ge{from}"));
        }

        var search = new FhirSearch { Type = run.Type, Parameters = [.. parameters], GatewayBase = NoGateway };
        var originals = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var alias in SearchPlanner.AliasesIn(search))
        {
            originals[alias] = await aliases.FindAsync(tenant, alias, cancellationToken);
        }

        return SearchPlanner.Plan(search, spec, rules.Profile, originals.GetValueOrDefault);
    }

    private string Instant(DateTimeOffset at, bool dateOnly) => dateOnly
        ? TimeZoneInfo.ConvertTime(at, rules.Zone).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)
        : at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private SyncRead Failed(EhrAnswer answer, string op)
    {
        var outcomes = answer.Body.IsEmpty ? [] : OperationOutcomes.Read(answer.Body.Span, rules.Profile);
        var expired = outcomes.Any(o => o.DetailCode is { } code && rules.Profile.OutcomeCodes.TryGetValue(code, out var known) && known.SessionExpired);
        if (op == "page" && (expired || answer.Failure is EhrFailure.NotFound or EhrFailure.Rejected))
        {
            return new SyncRead(ReadOutcome.Expired, null, null);
        }

        var outcome = answer.Failure switch
        {
            EhrFailure.NoToken or EhrFailure.EgressRefused or EhrFailure.ForeignOrigin or EhrFailure.ConnectFailed or EhrFailure.TlsFailed
                or EhrFailure.CircuitOpen or EhrFailure.Unauthorized or EhrFailure.Throttled or EhrFailure.Unavailable or EhrFailure.PermitLapsed => ReadOutcome.Down,
            EhrFailure.TimedOut or EhrFailure.ServerError or EhrFailure.Truncated or EhrFailure.TooSlow or EhrFailure.NotFhir => ReadOutcome.Later,
            EhrFailure.NotFound => ReadOutcome.NotServed,
            _ => ReadOutcome.Refused,
        };
        return new SyncRead(outcome, null, answer.Problem);
    }

    private async ValueTask SaveAliasesAsync(IReadOnlyList<IdAlias> given, CancellationToken cancellationToken)
    {
        if (given.Count > 0)
        {
            await aliases.SaveAsync(tenant, [.. given.Select(alias => (alias.Alias, alias.Original))], cancellationToken);
        }
    }
}

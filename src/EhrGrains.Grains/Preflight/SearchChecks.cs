using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Preflight;
using EhrGrains.Connect.Searching;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.DataContracts;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Preflight;

/// <summary>A search that was answered well.</summary>
/// <param name="Type">The resource type.</param>
/// <param name="Label">The search without the patient.</param>
/// <param name="Parameters">Its parameters.</param>
/// <param name="Page">The first page.</param>
internal sealed record FoundSearch(string Type, string Label, SearchParameter[] Parameters, SearchPage Page);

/// <summary>Every search that copies of a patient make, once, and what their first pages hold.</summary>
internal sealed class SearchChecks(PreflightRun run)
{
    // Nothing of an answer goes further than the checks.
    private const string NoGateway = "https://gateway.invalid/fhir";

    private static readonly Check[] OfAnswers =
    [
        Check.SearchMediaType, Check.SearchJson, Check.SearchBundle, Check.SearchType, Check.SearchPatient, Check.SearchOutcomes, Check.SearchIds, Check.SearchDates,
    ];

    // Which searches were not as they should be, by check; the others were, so far as there were answers to look at.
    private readonly Dictionary<Check, List<string>> offences = [];
    private int answers;

    internal async Task<IReadOnlyList<FoundSearch>> RunAsync()
    {
        var found = new List<FoundSearch>();
        if (run.Site.Request.Patient is not { } patient)
        {
            const string Why = "It needs a test patient: --patient.";
            run.Skip(Check.Search, Why);
            run.SkipAll(Why, OfAnswers);
            return found;
        }

        var original = run.OriginalPatient!;
        foreach (var type in run.Site.Searched)
        {
            foreach (var search in type.Searches)
            {
                if (await TryAsync(type, search, patient, original) is { } one)
                {
                    found.Add(one);
                }
            }
        }

        Sum();
        return found;
    }

    /// <summary>Plans a search as a copy does; null with everything that is wrong with it.</summary>
    internal static SearchPlan Plan(PreflightSite site, string type, IEnumerable<SearchParameter> parameters, string? original) =>
        SearchPlanner.Plan(new FhirSearch { Type = type, Parameters = [.. parameters], GatewayBase = NoGateway }, site.Spec, site.Profile, _ => original);

    private async Task<FoundSearch?> TryAsync(TriedType tried, SearchParameter[] search, string patient, string original)
    {
        var (type, rules) = (tried.Type, tried.Rules);
        var label = search.Length == 0 ? type : $"{type}?{string.Join('&', search.Select(static p => $"{p.Name}={p.Value}"))}";
        if (search.FirstOrDefault(static p => p.Value.Length == 0) is { Name: { } open })
        {
            run.Skip(Check.Search, $"The contract gives {open} no value to try.", label);
            return null;
        }

        if (type != "Patient" && !ContractScopes.IsOfPatient(type))
        {
            run.Skip(Check.Search, "It is not a search in one patient's data.", label);
            return null;
        }

        SearchParameter[] parameters = [new(rules.PatientParameter, patient), .. search];
        var plan = Plan(run.Site, type, parameters, original);
        if (plan.Request is not { } request)
        {
            run.Judge(Check.Search, false, "It is not sent: the vendor profile does not allow it.", plan.Problems[0].Diagnostics, run.WithoutType(type), label);
            return null;
        }

        using var answer = await run.AskAsync(request);
        if (answer is null)
        {
            run.Skip(Check.Search, run.Halt!, label);
            return null;
        }

        // A body that was cut off on its way says nothing of how it was written.
        if (answer.Status != 200 || answer.Failure != EhrFailure.None)
        {
            var state = answer.Status is >= 400 and < 500 ? run.WithoutType(type) : PreflightState.Failed;
            run.Judge(Check.Search, false, $"{Said.Of(answer)}.", ChangeOf(answer, run.Site.Profile), state, label);
            return null;
        }

        answers++;
        Offend(Check.SearchMediaType, !answer.IsAnnouncedAsJson, $"{label} ({answer.ContentEncoding ?? answer.ContentType ?? "none"})");
        if (answer.Document is null)
        {
            Offend(Check.SearchJson, true, label);
            run.Fail(Check.Search, $"{Said.Of(answer)}.", answer.Problem?.Message ?? "Answer with FHIR JSON.", label);
            return null;
        }

        if (SearchPage.Read(answer, run.Site.Profile) is not { } page)
        {
            Offend(Check.SearchBundle, true, label);
            run.Fail(Check.Search, "Answered 200 with something that is no Bundle.", "Answer searches with a searchset Bundle; errors with a status of 400 or more.", label);
            return null;
        }

        run.Pass(Check.Search, $"{page.Matches.Count} on the first page{(page.Next is null ? "" : ", there are more")}, in {answer.Elapsed.TotalMilliseconds:0} ms.", label);
        Look(type, rules, original, label, page);
        return new FoundSearch(type, label, parameters, page);
    }

    private void Look(string type, SyncTypeRules rules, string original, string label, SearchPage page)
    {
        Offend(Check.SearchType, page.Matches.Any(match => match.Type != type), label);
        Offend(Check.SearchPatient, page.Matches.Any(match => match.Type == type && match.Patient is { } other && other != original), label);
        Offend(Check.SearchOutcomes, page.Trouble is not null, $"{label}: {page.Trouble}");
        Offend(Check.SearchIds, page.Matches.Any(static match => match.Id is null) || page.Matches.DistinctBy(static match => match.Key).Count() < page.Matches.Count, label);
        Offend(Check.SearchDates, rules.Strategy == SyncStrategy.LastUpdated && page.Matches.Any(static match => !match.IsDated), label);
    }

    private void Offend(Check check, bool offends, string label)
    {
        if (offends)
        {
            (offences.TryGetValue(check, out var labels) ? labels : offences[check] = []).Add(label);
        }
    }

    private void Sum()
    {
        if (answers == 0)
        {
            run.SkipAll(run.Halt ?? "No search was answered.", OfAnswers);
            return;
        }

        Sum(Check.SearchMediaType, "application/fhir+json in UTF-8, not compressed.", "Announce what is sent: application/fhir+json; and compress nothing unasked.", PreflightState.Failed);
        Sum(Check.SearchJson, "Well-formed, each member once.", "Answer with JSON whose members are there once and which is not deeper than 128.", PreflightState.Failed);
        Sum(Check.SearchBundle, "Searchsets.", "Answer searches with a Bundle, and errors with a status of 400 or more.", PreflightState.Failed);
        Sum(Check.SearchType, "Only what was asked for.", "Mark what is included as search.mode include, and answer with the type that was asked for.", PreflightState.Failed);
        Sum(Check.SearchPatient, "Only of the patient that was asked for.", "The answer holds other patients' data: have the vendor look at it before anything is copied.", PreflightState.Failed);
        Sum(Check.SearchOutcomes, "No outcome says that something is missing.", "Let the client see all of it, or tell us what is held back.", PreflightState.Failed);
        Sum(Check.SearchIds, "Each has an id, and is there once.", "Give every resource its id, once a page.", PreflightState.Warning);
        Sum(Check.SearchDates, "Where changes are asked for by time, each resource says its own.", "Fill meta.lastUpdated, or state the strategy Crawl under connection.profile.sync.", PreflightState.Warning);
    }

    private void Sum(Check check, string good, string change, PreflightState otherwise) => run.Judge(
        check, !offences.ContainsKey(check), offences.TryGetValue(check, out var labels) ? $"{labels.Count} of {answers}: {string.Join("; ", labels.Take(5))}." : good, change, otherwise);

    /// <summary>What to do about a refusal: in our words, with what the vendor's code means where it is known.</summary>
    internal static string ChangeOf(ProbeAnswer answer, VendorProfile profile)
    {
        var problem = answer.Problem?.Message ?? "Ask the hospital.";
        var issues = answer.Document is { } document ? OperationOutcomes.Read(System.Text.Encoding.UTF8.GetBytes(document.RootElement.GetRawText()), profile) : [];
        return issues.Count > 0 && issues[0].DetailCode is { } code ? $"{problem} Its own code {code}: {issues[0].Diagnostics}" : problem;
    }
}

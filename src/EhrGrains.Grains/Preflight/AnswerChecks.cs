using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Preflight;

/// <summary>How the server treats a token, ids, parameters and versions: one request each.</summary>
internal sealed class AnswerChecks(PreflightRun run)
{
    private const int ReadsMax = 3;

    /// <summary>Requests of it, at most.</summary>
    internal const int Requests = RequestsWithoutPatient + 3 + ReadsMax + 1;

    /// <summary>Requests that need no patient.</summary>
    internal const int RequestsWithoutPatient = 1;

    // Nobody is called so; what is found by it is what is wrong.
    private const string UnknownId = "ehrgrains-preflight-0";
    private const string UnknownName = "ehrgrains-preflight";

    private static readonly Check[] OfSearches = [Check.LastUpdated, Check.UnknownParameter, Check.CountBound];
    private static readonly Check[] OfReads = [Check.Read, Check.ReadTag, Check.ReadUnchanged];

    /// <summary>Whether the token is taken: a read of what is not there, which needs no patient.</summary>
    internal async Task RunFirstAsync()
    {
        using var answer = await run.AskAsync(Get($"Patient/{UnknownId}", "Patient"));
        if (answer is null or { Status: 0 })
        {
            run.SkipAll(run.Halt ?? answer?.Problem?.Message ?? "There was no answer.", Check.TokenAccepted, Check.ReadUnknown, Check.ErrorBody);
            return;
        }

        run.Judge(Check.TokenAccepted, answer.Status != 401, $"{Said.Of(answer)}.", answer.Problem?.Message ?? "Let the FHIR server take the tokens of its own token endpoint.");
        if (answer.Status == 401)
        {
            run.Halt = "The FHIR server refuses the token: see token.accepted.";
            run.SkipAll(run.Halt, Check.ReadUnknown, Check.ErrorBody);
            return;
        }

        run.Judge(
            Check.ReadUnknown, answer.Status is 404 or 410, $"A read of an id that nobody has: {Said.Of(answer)}.", "Answer 404 to a read of what is not there.",
            answer.Status == 200 ? PreflightState.Failed : PreflightState.Warning);
        run.Judge(
            Check.ErrorBody, answer.Document?.RootElement.Text("resourceType") == "OperationOutcome",
            answer.Document is null ? "The error has no JSON body." : "The error has a JSON body.", "Answer errors with an OperationOutcome: without one nobody learns why.", PreflightState.Warning);
    }

    internal async Task RunAsync(IReadOnlyList<FoundSearch> found)
    {
        var best = found.Where(static one => one.Type != "Patient" && one.Page.Matches.Count > 0).MaxBy(static one => one.Page.Matches.Count);
        if (best is null)
        {
            run.SkipAll(run.Halt ?? "It needs a test patient (--patient) with resources.", OfSearches);
        }
        else if (SearchChecks.Plan(run.Site, best.Type, best.Parameters, run.OriginalPatient).Request is { } request)
        {
            await TryLastUpdatedAsync(best, request);
            await TryUnknownAsync(best, request);
            await TryCountAsync(best, request);
        }

        await ReadAsync(found);
    }

    private async Task TryLastUpdatedAsync(FoundSearch search, EhrRequest request)
    {
        using var answer = await run.AskAsync(With(request, "_lastUpdated", "gt2999-01-01"));
        if (answer is null)
        {
            run.Skip(Check.LastUpdated, run.Halt!, search.Label);
            return;
        }

        var matches = SearchPage.Read(answer, run.Site.Profile)?.Matches.Count;
        var needed = run.Site.Profile.Sync.Types.GetValueOrDefault(search.Type)?.Strategy == SyncStrategy.LastUpdated;
        var works = answer.Status == 200 && matches == 0;
        var seen = works ? "It narrows the search." : matches > 0 ? "It is ignored: a date in the future finds as much." : $"It is refused: {Said.Of(answer)}.";
        run.Judge(
            Check.LastUpdated, works || !needed, $"{seen} Copies of {search.Type} {(needed ? "ask by it" : "do not ask by it")}.",
            "Support _lastUpdated, or state the strategy Crawl under connection.profile.sync: else changes are missed.", target: search.Label);
    }

    private async Task TryUnknownAsync(FoundSearch search, EhrRequest request)
    {
        using var answer = await run.AskAsync(With(request, UnknownName, "1"));
        if (answer is null)
        {
            run.Skip(Check.UnknownParameter, run.Halt!, search.Label);
            return;
        }

        var matches = SearchPage.Read(answer, run.Site.Profile)?.Matches.Count;
        var seen = answer.Status == 200 ? matches == search.Page.Matches.Count ? "It is ignored." : "It changes what is found." : $"It is refused: {Said.Of(answer)}.";
        run.Judge(
            Check.UnknownParameter, (answer.Status == 200 && matches == search.Page.Matches.Count) || answer.Status is >= 400 and < 500, seen,
            "Ignore a parameter that is not known, or refuse it with 400 (R4 search.html#errors).", PreflightState.Warning, search.Label);
    }

    private async Task TryCountAsync(FoundSearch search, EhrRequest request)
    {
        var name = run.Site.Profile.Search.CountParameter;
        if (name.Length == 0 || !run.Site.Profile.Resources[search.Type].Count)
        {
            run.Skip(Check.CountBound, "The vendor takes no page size here.", search.Label);
            return;
        }

        using var answer = await run.AskAsync(With(request, name, "100000"));
        if (answer is null)
        {
            run.Skip(Check.CountBound, run.Halt!, search.Label);
            return;
        }

        var page = SearchPage.Read(answer, run.Site.Profile);
        run.Judge(
            Check.CountBound, page is not null, page is not null ? $"A size of 100,000 gives {page.Matches.Count}{(page.Next is null ? "" : " and a next link")}." : $"A size of 100,000 is refused: {Said.Of(answer)}.",
            "Lower a size that is too large instead of refusing it, or state countMax under connection.profile.resources.", PreflightState.Warning, search.Label);
    }

    private async Task ReadAsync(IReadOnlyList<FoundSearch> found)
    {
        var readable = found.Where(one => run.Site.Profile.Resources[one.Type].Read && one.Page.Matches.Any(match => match is { Id: not null } && match.Type == one.Type))
            .DistinctBy(static one => one.Type).Take(ReadsMax).ToArray();
        if (readable.Length == 0)
        {
            run.SkipAll(run.Halt ?? "It needs a test patient (--patient) with resources.", OfReads);
            return;
        }

        (string Path, string Type, string Tag)? tagged = null;
        foreach (var one in readable)
        {
            var id = one.Page.Matches.First(match => match.Id is not null && match.Type == one.Type).Id!;
            var path = $"{one.Type}/{Uri.EscapeDataString(id)}";
            using var answer = await run.AskAsync(Get(path, one.Type));
            if (answer is null)
            {
                run.Skip(Check.Read, run.Halt!, one.Type);
                continue;
            }

            var same = answer.Document?.RootElement is { } root && root.Text("resourceType") == one.Type && root.Text("id") == id;
            run.Judge(
                Check.Read, answer.Status == 200 && same, answer.Status == 200 ? same ? "What a search found is read by its id." : "Another resource is answered than was asked for." : $"{Said.Of(answer)}.",
                answer.Status == 200 ? "Answer a read with the resource of that id." : SearchChecks.ChangeOf(answer, run.Site.Profile), target: one.Type);
            tagged ??= same && answer.ETag is { } tag ? (path, one.Type, tag) : null;
        }

        await TryTagAsync(tagged);
    }

    private async Task TryTagAsync((string Path, string Type, string Tag)? tagged)
    {
        var needed = run.Site.Profile.Writes.IfMatch;
        run.Judge(
            Check.ReadTag, tagged is not null || !needed, tagged is not null ? "Reads have an ETag." : $"Reads have no ETag{(needed ? ", which updates need" : ", which nothing here needs")}.",
            "Send the version as ETag (R4 http.html#versioning).", PreflightState.Warning);
        if (tagged is not { } known)
        {
            run.Skip(Check.ReadUnchanged, "There is no ETag.");
            return;
        }

        using var answer = await run.AskAsync(Get(known.Path, known.Type) with { Headers = new Dictionary<string, string> { ["If-None-Match"] = known.Tag } });
        if (answer is null)
        {
            run.Skip(Check.ReadUnchanged, run.Halt!);
            return;
        }

        run.Judge(
            Check.ReadUnchanged, answer.Status is 304 or 200, answer.Status == 304 ? "What has not changed is answered 304." : answer.Status == 200 ? "The condition is ignored." : $"{Said.Of(answer)}.",
            "Answer 304, or ignore If-None-Match.", PreflightState.Warning);
    }

    private EhrRequest Get(string path, string type) => new() { Method = HttpMethod.Get, Url = run.Site.Url(path), Op = "read", ResourceType = type };

    private static EhrRequest With(EhrRequest request, string name, string value) => request.Form is { } form
        ? request with { Form = [.. form.Where(p => p.Name != name), new SearchParameter(name, value)] }
        : request with { Url = WithQuery(request.Url, name, value) };

    // In place of what the plan may have of the name: twice, a server takes whichever it likes.
    private static string WithQuery(string url, string name, string value)
    {
        var cut = url.IndexOf('?', StringComparison.Ordinal);
        var (path, query) = cut < 0 ? (url, "") : (url[..cut], url[(cut + 1)..]);
        var others = query.Split('&', StringSplitOptions.RemoveEmptyEntries).Where(p => !p.StartsWith($"{name}=", StringComparison.Ordinal));
        return $"{path}?{string.Join('&', [.. others, $"{Uri.EscapeDataString(name)}={Uri.EscapeDataString(value)}"])}";
    }
}

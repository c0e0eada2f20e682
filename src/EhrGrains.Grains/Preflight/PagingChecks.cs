using System.Globalization;
using EhrGrains.Connect.Searching;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Query;

namespace EhrGrains.Grains.Preflight;

/// <summary>Pages, followed to their end with a size that is asked for; those of the searches that find the most.</summary>
internal sealed class PagingChecks(PreflightRun run)
{
    private const int SearchesMax = 2;
    private const int PagesMax = 10;

    /// <summary>Requests of it, at most.</summary>
    internal const int Requests = SearchesMax * PagesMax;

    private static readonly Check[] All =
        [Check.PageSize, Check.PageOrigin, Check.PageEnd, Check.PageRepeats, Check.PageEmpty, Check.PageTotal, Check.PageComplete];

    internal async Task RunAsync(IReadOnlyList<FoundSearch> found)
    {
        FoundSearch[] longest = [.. found.Where(static one => one.Page.Matches.Count > 1).OrderByDescending(static one => one.Page.Next is not null).ThenByDescending(static one => one.Page.Matches.Count).Take(SearchesMax)];
        if (longest.Length == 0)
        {
            run.SkipAll(run.Halt ?? "It needs a test patient (--patient) with two resources of a type.", All);
        }

        foreach (var search in longest)
        {
            await FollowAsync(search);
        }
    }

    private async Task FollowAsync(FoundSearch search)
    {
        var rules = run.Site.Profile.Resources[search.Type];
        var size = search.Page.Next is null && rules.Count && run.Site.Profile.Search.CountParameter.Length > 0 ? (search.Page.Matches.Count + 2) / 3 : 0;
        var parameters = size > 0 ? search.Parameters.Append(new SearchParameter("_count", size.ToString(CultureInfo.InvariantCulture))) : search.Parameters;
        var plan = SearchChecks.Plan(run.Site, search.Type, parameters, run.OriginalPatient);
        var walk = new Walk(size);
        while (plan.Request is { } request)
        {
            using var answer = await run.AskAsync(request);
            if (answer is null)
            {
                foreach (var check in All)
                {
                    run.Skip(check, run.Halt!, search.Label);
                }

                return;
            }

            if (SearchPage.Read(answer, run.Site.Profile) is not { } page)
            {
                walk.End = $"Page {walk.Pages + 1}: {Said.Of(answer)}.";
                break;
            }

            if (!walk.Take(page) || page.Next is null || walk.Pages >= PagesMax)
            {
                break;
            }

            plan = SearchPlanner.PlanNext(page.Next, run.Site.Spec, run.Site.Profile);
            walk.LeadsAway = plan.Request is null;
        }

        Judge(search, walk);
    }

    private void Judge(FoundSearch search, Walk walk)
    {
        var (at, pages) = (search.Label, $"{walk.Pages} pages, {walk.Keys.Count} resources");
        if (walk.Size == 0)
        {
            run.Skip(Check.PageSize, "The first page is full as it is, or the vendor takes no page size here.", at);
        }
        else
        {
            run.Judge(
                Check.PageSize, walk.LargestPage <= walk.Size, $"Asked for {walk.Size}, the largest page has {walk.LargestPage}.",
                "Honour _count, or state what is taken under connection.profile.resources.", PreflightState.Warning, at);
        }

        run.Judge(Check.PageOrigin, !walk.LeadsAway, walk.LeadsAway ? "The link leads elsewhere than under the FHIR base URL." : "Links lead to the same server.",
            "Write links with the published base URL: a token goes nowhere else. Behind a proxy, have it forward the host.", target: at);
        run.Judge(Check.PageEnd, walk is { End: null, IsEndless: false }, walk.End ?? (walk.IsEndless ? $"Links lead back to what came before, after {pages}." : $"{pages}{(walk.HasMore ? "; there are more, which were left" : "")}."),
            "Let each next link lead on, and leave it out on the last page.", target: at);
        run.Judge(
            Check.PageRepeats, walk.Repeats == 0, walk.RepeatedPages > 0 ? $"{walk.RepeatedPages} pages hold only what came before." : $"{walk.Repeats} resources came more than once.",
            "Give pages a stable order, so that none comes twice and none is left out.", walk.RepeatedPages > 0 ? PreflightState.Failed : PreflightState.Warning, at);
        run.Judge(Check.PageEmpty, walk.EmptyPages == 0, $"{walk.EmptyPages} pages are empty and yet lead on.", "Leave out pages without entries.", PreflightState.Warning, at);
        JudgeTotal(search, walk);
    }

    private void JudgeTotal(FoundSearch search, Walk walk)
    {
        var at = search.Label;
        if (search.Page.Total is not { } total || run.Site.Profile.Search.TotalOfPage)
        {
            run.Skip(Check.PageTotal, search.Page.Total is null ? "The site does not count what it finds, which is no duty; what is missing is then not noticed." : "The vendor counts a page alone.", at);
        }
        else
        {
            run.Judge(Check.PageTotal, total >= search.Page.Matches.Count && (walk.HasMore || walk.End is not null || walk.LeadsAway || total == walk.Keys.Count), $"The site counts {total}, and sends {walk.Keys.Count}.",
                "Let Bundle.total count the matches of the search.", PreflightState.Warning, at);
        }

        if (search.Page.Next is not null || walk.HasMore)
        {
            run.Skip(Check.PageComplete, "There is no page with all of it to compare with.", at);
            return;
        }

        var missing = search.Page.Matches.Count(match => !walk.Keys.Contains(match.Key));
        run.Judge(Check.PageComplete, missing == 0, missing == 0 ? "All pages together hold what one page holds." : $"{missing} resources are on no page.", "Let the pages together hold everything.", target: at);
    }

    /// <summary>What the pages of one search came to.</summary>
    private sealed class Walk(int size)
    {
        private readonly HashSet<string> links = new(StringComparer.Ordinal);
        private bool isLoop;

        public int Size { get; } = size;

        public HashSet<string> Keys { get; } = new(StringComparer.Ordinal);

        public int Pages { get; private set; }

        public int LargestPage { get; private set; }

        public int Repeats { get; private set; }

        public int RepeatedPages { get; private set; }

        public int EmptyPages { get; private set; }

        public bool IsEndless => isLoop || (HasMore && RepeatedPages > 0);

        public bool HasMore { get; private set; }

        public bool LeadsAway { get; set; }

        public string? End { get; set; }

        /// <summary>Takes a page; false when it leads nowhere new.</summary>
        public bool Take(SearchPage page)
        {
            Pages++;
            LargestPage = Math.Max(LargestPage, page.Matches.Count);
            var repeats = page.Matches.Count(match => !Keys.Add(match.Key));
            Repeats += repeats;
            RepeatedPages += repeats > 0 && repeats == page.Matches.Count ? 1 : 0;
            EmptyPages += page.Matches.Count == 0 && page.Next is not null ? 1 : 0;
            HasMore = page.Next is not null;
            isLoop = page.Next is { } next && !links.Add(next);
            return !isLoop;
        }
    }
}

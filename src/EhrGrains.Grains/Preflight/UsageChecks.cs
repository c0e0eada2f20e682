using System.Globalization;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Preflight;

/// <summary>What all answers together tell: clock, versions, limits, times. And whether cohorts can be exported.</summary>
internal static class UsageChecks
{
    private const int CohortsMax = 20;
    private static readonly TimeSpan SkewWarning = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan SkewMax = TimeSpan.FromMinutes(4); // an assertion lives for five minutes at most (SMART App Launch 2.2)
    private static readonly TimeSpan SlowWarning = TimeSpan.FromSeconds(3);

    internal static async Task RunAsync(PreflightRun run)
    {
        if (run.HttpVersions.Count == 0)
        {
            run.SkipAll(run.Halt ?? "There was no answer.", Check.Clock, Check.HttpVersion, Check.HttpCompression, Check.LimitHeaders, Check.Throttled, Check.RetryAfter, Check.Latency);
        }
        else
        {
            CheckAnswers(run);
            CheckLimits(run);
        }

        await CheckCohortsAsync(run);
    }

    private static void CheckAnswers(PreflightRun run)
    {
        if (run.ClockAhead is not { } ahead)
        {
            run.Warn(Check.Clock, "No answer has a Date.", "Send Date with every answer (RFC 9110 §6.6.1): a clock that is off makes tokens fail.");
        }
        else
        {
            run.Judge(
                Check.Clock, ahead.Duration() <= SkewWarning, string.Create(CultureInfo.InvariantCulture, $"The hospital's clock is off by {ahead.TotalSeconds:0} s against ours."),
                "Set the clock by NTP; assertions are refused and _lastUpdated misses changes when it is off.", ahead.Duration() > SkewMax ? PreflightState.Failed : PreflightState.Warning);
        }

        run.Judge(
            Check.HttpVersion, run.HttpVersions.Min()! >= System.Net.HttpVersion.Version11, $"HTTP {string.Join(", ", run.HttpVersions.Order())}.",
            "Speak HTTP/1.1 or later: connections are opened anew for each request else.", PreflightState.Warning);
        run.Judge(
            Check.HttpCompression, run.Compressed is null, run.Compressed is null ? "Nothing is compressed unasked." : $"An answer is compressed ({run.Compressed}) although nobody asked for it.",
            "Compress only what Accept-Encoding asks for; a proxy in between may do it.");
        var slow = Percentile(run.Latencies, 0.95);
        run.Judge(
            Check.Latency, slow <= SlowWarning, string.Create(CultureInfo.InvariantCulture, $"{run.Latencies.Count} answers: half within {Percentile(run.Latencies, 0.5).TotalMilliseconds:0} ms, 95 of 100 within {slow.TotalMilliseconds:0} ms."),
            "People wait for these answers: have the vendor look at what takes so long.", PreflightState.Warning);
    }

    private static void CheckLimits(PreflightRun run)
    {
        if (run.LimitHeaders.Count == 0)
        {
            run.Skip(Check.LimitHeaders, "No answer tells of a limit, which is no duty.");
        }
        else
        {
            run.Pass(Check.LimitHeaders, $"Answers have {string.Join(", ", run.LimitHeaders.Take(10))}.");
        }

        run.Judge(
            Check.Throttled, run.Waits.Count == 0, $"{run.Waits.Count} of {run.Requests} requests were answered 429 or 503.",
            "The stated budget was kept: ask the hospital what it allows, and lower budget.", PreflightState.Warning);
        if (run.Waits.Count == 0)
        {
            run.Skip(Check.RetryAfter, "Nothing was throttled.");
        }
        else
        {
            run.Judge(
                Check.RetryAfter, run.Waits.TrueForAll(static wait => IsWait(wait)), run.Waits.Contains(null) ? "There was no Retry-After." : "There was a Retry-After.",
                "Send Retry-After with 429 and 503, in seconds or as a date (RFC 9110 §10.2.3).", PreflightState.Warning);
        }
    }

    private static async Task CheckCohortsAsync(PreflightRun run)
    {
        if (!run.Site.Profile.Bulk.Levels.Contains(BulkLevel.Group))
        {
            run.Skip(Check.BulkGroup, "The vendor exports no groups.");
            return;
        }

        var cohorts = await run.Tools.Grains.GetGrain<IPopulationsGrain>(GrainKeys.Tenant(run.Site.Tenant)).ListAsync(run.Deadline);
        if (cohorts.Length == 0)
        {
            run.Skip(Check.BulkGroup, "There is no cohort.");
            return;
        }

        var without = new List<string>();
        foreach (var cohort in cohorts.Take(CohortsMax))
        {
            var described = await run.Tools.Grains.GetGrain<IPopulationSyncGrain>(GrainKeys.Cohort(run.Site.Tenant, cohort)).DescribeAsync(run.Deadline);
            if (described.Spec.Group is null)
            {
                without.Add(cohort.Value);
            }
        }

        run.Judge(
            Check.BulkGroup, without.Count == 0, without.Count == 0 ? $"{cohorts.Length} cohorts, each with its Group." : $"Without a Group: {string.Join(", ", without)}.",
            "Ask the hospital for the Group's id, and state it for the cohort: its patients are asked for one by one else.", PreflightState.Warning);
    }

    private static bool IsWait(string? text) => text is not null
        && (uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out _)
            || DateTimeOffset.TryParseExact(text, "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out _));

    private static TimeSpan Percentile(IReadOnlyList<TimeSpan> all, double part) => all.Order().ElementAt((int)Math.Ceiling(all.Count * part) - 1);
}

using System.Globalization;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Sync;
using EhrGrains.Grains.Tenants;

namespace EhrGrains.Grains.Preflight;

/// <summary>What the operator stated, and whether the budget does for what is to be copied. Nothing is sent.</summary>
internal static class ConfigurationChecks
{
    internal static async Task RunAsync(PreflightRun run)
    {
        JudgeStated(run);
        await CheckBudgetAsync(run);
    }

    internal static void JudgeStated(PreflightRun run)
    {
        var (site, spec) = (run.Site, run.Site.Spec);
        run.Judge(
            Check.Lifecycle, site.IsOpen, $"The tenant is {site.Description.Lifecycle.ToString().ToLowerInvariant()}.",
            "Nothing is sent to the hospital until the tenant is open: «ehrgrains tenant promote».");
        if (!site.IsOpen)
        {
            run.Halt = "The tenant is not open, and nothing is sent to the hospital.";
        }

        run.Judge(
            Check.TimeZone, spec.TimeZone is not ("UTC" or "Etc/UTC" or "Etc/GMT" or "GMT"), $"Dates without a zone mean {spec.TimeZone}.",
            "Hospitals seldom keep UTC: state the zone of the hospital's clocks in timeZone.", PreflightState.Warning);
        var problems = VendorRules.Check(spec);
        run.Judge(
            Check.Settings, problems.Count == 0,
            problems.Count == 0 ? $"What {site.Profile.Name} needs is stated." : string.Join(' ', problems.Select(problem => $"{problem.Path}: {problem.Message}")),
            "Complete the tenant's file and apply it: «ehrgrains apply».");
        var unknown = spec.Sync.Types.Concat(site.Types.Select(type => type.Type)).Where(type => !site.Profile.Sync.Types.ContainsKey(type)).Distinct(StringComparer.Ordinal).ToArray();
        run.Judge(
            Check.SyncTypes, unknown.Length == 0,
            unknown.Length == 0 ? $"{site.Types.Count} types, all of them of the vendor profile." : $"{site.Profile.Name} has no rule for {string.Join(", ", unknown)}.",
            "Leave them out of sync.types or the contract, or state how they are searched under connection.profile.sync.");
        run.Judge(
            Check.Grants, site.Description.Grants.Length > 0, $"{site.Description.Grants.Length} apps may ask here.",
            "No app may ask at this tenant yet: «ehrgrains grant».", PreflightState.Warning);
    }

    private static async Task CheckBudgetAsync(PreflightRun run)
    {
        var (budget, limits, name) = (run.Site.Spec.Budget, run.Site.Profile.Limits, run.Site.Profile.Name);
        var rate = (double)budget.Requests / budget.WindowSeconds;
        if (limits.Requests == 0 && limits.DailyQuota == 0)
        {
            run.Skip(Check.BudgetLimit, $"{name} publishes no number. {limits.Guideline}".TrimEnd());
        }
        else
        {
            var within = (limits.Requests == 0 || rate <= (double)limits.Requests / limits.WindowSeconds)
                && (limits.DailyQuota == 0 || budget.DailyQuota <= limits.DailyQuota);
            run.Judge(
                Check.BudgetLimit, within,
                string.Create(CultureInfo.InvariantCulture, $"Stated: {rate:0.##} requests a second, {Quota(budget.DailyQuota)} a day. Published: {Published(limits.Requests, limits.WindowSeconds)}, {Quota(limits.DailyQuota == 0 ? null : limits.DailyQuota)} a day."),
                "Lower budget, or have the hospital confirm what the contract allows.", PreflightState.Warning);
        }

        var status = await run.Tools.Grains.GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(run.Site.Tenant)).StatusAsync(run.Deadline);
        var searches = run.Site.Types.Sum(type => Math.Max(1, type.Searches.Count));
        var wanted = (double)status.Patients * searches / run.Site.Spec.Sync.FreshnessSeconds;
        var allowed = budget.DailyQuota is { } quota ? Math.Min(rate, quota / 86_400d) : rate;
        var seen = string.Create(
            CultureInfo.InvariantCulture,
            $"{status.Patients} patients, {searches} searches each, every {run.Site.Spec.Sync.FreshnessSeconds} s: {wanted:0.##} requests a second of {allowed:0.##} allowed.");
        if (status.Patients == 0)
        {
            run.Skip(Check.BudgetPace, string.Create(CultureInfo.InvariantCulture, $"Nobody is enrolled yet; the budget does for {allowed * run.Site.Spec.Sync.FreshnessSeconds / searches:0} patients."));
        }
        else
        {
            run.Judge(Check.BudgetPace, wanted <= allowed, seen, "Raise sync.freshnessSeconds, copy fewer types, or ask the hospital for a higher limit.", PreflightState.Warning);
        }

        var spent = await run.Tools.Grains.GetGrain<ISiteBudgetGrain>(GrainKeys.Tenant(run.Site.Tenant)).DescribeAsync(run.Deadline);
        run.Judge(
            Check.BudgetHold, spent.HoldOff == TimeSpan.Zero,
            spent.HoldOff == TimeSpan.Zero ? $"Nothing is held off; {spent.SpentToday} requests today." : $"Nothing is sent for {spent.HoldOff.TotalSeconds:0} s more: the hospital asked for a pause, or the quota is used up.",
            "Wait until the hold-off is over, then run again.", PreflightState.Warning);
    }

    private static string Quota(long? requests) => requests is { } count ? count.ToString("N0", CultureInfo.InvariantCulture) : "no limit";

    private static string Published(int requests, int seconds) => requests == 0 ? "no rate" : $"{requests} in {seconds} s";
}

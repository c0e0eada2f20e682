using System.CommandLine;
using EhrGrains.Cli.Results;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains budget</c>: what a hospital allows, and how it is spent.</summary>
internal static class BudgetCommand
{
    internal static Command Build() => new("budget", "What a hospital allows, and how it is spent.") { Show() };

    private static Verb Show()
    {
        var tenant = Parameters.Tenant();
        return new Verb("show", "Shows the site budget: contract, leases by silo, hold-off, requests today.") { tenant }.Answers(
            async run => await (await run.ConnectAsync()).Budget(run.Get(tenant)).DescribeAsync(run.Stopping),
            budget => Tables.Facts(
                ("contract", $"{budget.Spec.Requests} requests per {budget.Spec.WindowSeconds} s, {budget.Spec.Concurrency} at once"),
                ("daily quota", budget.Spec.DailyQuota), ("sent today", budget.SpentToday),
                ("held off for", budget.HoldOff > TimeSpan.Zero ? budget.HoldOff : null),
                ("permits out", budget.Leases.Select(lease => $"{lease.Key}: {lease.Value};"))));
    }
}

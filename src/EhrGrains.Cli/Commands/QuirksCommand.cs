using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts.Quirks;
using Spectre.Console;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains quirks</c>: how a tenant's EHR differs from what its vendor profile says.</summary>
internal static class QuirksCommand
{
    internal static Verb Build()
    {
        var tenant = Parameters.Tenant();
        var look = new Option<bool>("--look") { Description = "Look at the site now; else what the daily look found." };
        return new Verb("quirks", "Shows how a tenant's EHR differs from its vendor profile, since when, and what changed.") { tenant, look }.Answers(
            async run =>
            {
                var ledger = (await run.ConnectAsync()).Quirks(run.Get(tenant));
                return run.Get(look) ? await ledger.LookAsync(run.Stopping) : await ledger.DescribeAsync(run.Stopping);
            },
            Show,
            ledger => ledger.Failure is null ? ExitCode.Ok : ExitCode.CheckFailed);
    }

    private static Rows Show(QuirkLedger ledger) => new(
        Tables.Facts(("looked at", ledger.LookedAt), ("software", ledger.Software), ("last look failed", ledger.Failure?.Message)),
        Tables.Rows(
            ledger.Quirks,
            ("path", q => q.Path), ("document", q => q.Documented), ("found", q => q.Found), ("holds", q => q.Adopted), ("since", q => q.Since)),
        Tables.Rows(ledger.Changes, ("changed at", c => c.At), ("path", c => c.Path), ("before", c => c.Before), ("after", c => c.After)));
}

using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Cli.Rosters;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains roster</c>: who belongs to a tenant's cohorts.</summary>
internal static class RosterCommand
{
    internal static Command Build() => new("roster", "Cohorts: the patients whose copies are kept, by roster or FHIR Group.")
    {
        Set(), List(), Show(), Import(), Members(), Refresh(), Remove(),
    };

    private static Verb Set()
    {
        var (tenant, cohort) = (Parameters.Tenant(), Parameters.Cohort());
        var group = Parameters.Text("--group", "ID", "The EHR's id of a FHIR Group: its patients belong to the cohort, and a bulk export asks for it.");
        var every = new Option<int>("--refresh-hours") { Description = "How often the Group is looked at.", HelpName = "HOURS", DefaultValueFactory = _ => 24 };
        return new Verb("set", "Makes a cohort, or changes it.") { tenant, cohort, group, every }.Answers(
            async run => await (await run.ConnectAsync()).Cohort(run.Get(tenant), run.Get(cohort))
                .SetAsync(new CohortSpec { Group = run.Get(group), RefreshSeconds = run.Get(every) * 3_600 }, run.Stopping),
            Show);
    }

    private static Verb List()
    {
        var tenant = Parameters.Tenant();
        return new Verb("list", "Lists the tenant's cohorts.") { tenant }.Answers(
            async run =>
            {
                var cluster = await run.ConnectAsync();
                var ids = await cluster.Cohorts(run.Get(tenant)).ListAsync(run.Stopping);
                return await Task.WhenAll(ids.Select(id => cluster.Cohort(run.Get(tenant), id).DescribeAsync(run.Stopping)));
            },
            cohorts => Tables.Rows(
                cohorts,
                ("cohort", c => c.Cohort), ("group", c => c.Spec.Group), ("enrolled", c => c.Members.GetValueOrDefault(MemberState.Enrolled)),
                ("waiting", c => c.Members.GetValueOrDefault(MemberState.Waiting)),
                ("not found", c => c.Members.GetValueOrDefault(MemberState.NotFound) + c.Members.GetValueOrDefault(MemberState.Ambiguous)),
                ("export", c => c.Bulk is { } bulk ? Words.Of(bulk.State) : null)));
    }

    private static Verb Show()
    {
        var (tenant, cohort) = (Parameters.Tenant(), Parameters.Cohort());
        return new Verb("show", "Shows what a cohort is and how its patients stand.") { tenant, cohort }.Answers(
            async run => await (await run.ConnectAsync()).Cohort(run.Get(tenant), run.Get(cohort)).DescribeAsync(run.Stopping), Show);
    }

    private static Verb Import()
    {
        var (tenant, cohort) = (Parameters.Tenant(), Parameters.Cohort());
        var file = new Argument<FileInfo>("FILE") { Description = "CSV with the columns id, identifier and system, or a JSON array of objects with these names." };
        var check = new Option<bool>("--check") { Description = "Only check the file." };
        var wait = Parameters.Wait("Waits until all of the cohort are looked up, and shows how far that is.");
        return new Verb("import", "Adds patients by the EHR's id or by an identifier such as an MRN; they are looked up and enrolled. Errors are named by line.")
        {
            tenant, cohort, file, check, wait,
        }.Answers(
            async run =>
            {
                var entries = await RosterFile.ReadAsync(run.Get(file), run.Stopping);
                var grain = (await run.ConnectAsync()).Cohort(run.Get(tenant), run.Get(cohort));
                await CheckAsync(grain, entries, run.Stopping);
                var (added, known) = (0, 0);
                foreach (var part in run.Get(check) ? [] : entries.Chunk(RosterEntry.CountMax))
                {
                    var receipt = await grain.ImportAsync(part, dryRun: false, run.Stopping);
                    (added, known) = (added + receipt.Added, known + receipt.Known);
                }

                if (run.Get(wait) && !run.Get(check))
                {
                    await run.Output.WaitAsync(() => grain.DescribeAsync(run.Stopping), Progress, found => !found.Members.ContainsKey(MemberState.Waiting), run.Stopping);
                }

                return new RosterReceipt(added, known);
            },
            receipt => Tables.Facts(("added", receipt.Added), ("known", receipt.Known)),
            wait: wait);
    }

    private static (double Share, string Text) Progress(CohortDescription cohort)
    {
        var (all, waiting) = (cohort.Members.Values.Sum(), cohort.Members.GetValueOrDefault(MemberState.Waiting));
        return (all == 0 ? 1 : (double)(all - waiting) / all, $"{all - waiting} of {all} patients looked up");
    }

    // All that is wrong with the whole file is said before any of it is imported.
    private static async Task CheckAsync(IPopulationSyncGrain grain, IReadOnlyList<RosterEntry> entries, CancellationToken cancellationToken)
    {
        var problems = new List<Problem>();
        foreach (var part in entries.Chunk(RosterEntry.CountMax))
        {
            try
            {
                await grain.ImportAsync(part, dryRun: true, cancellationToken);
            }
            catch (ProblemException e) when (e.Kind == ProblemKind.Invalid)
            {
                problems.AddRange(e.Problems);
            }
        }

        if (problems.Count > 0)
        {
            throw new ProblemException(ProblemKind.Invalid, problems);
        }
    }

    private static Verb Members()
    {
        var (tenant, cohort) = (Parameters.Tenant(), Parameters.Cohort());
        var state = Parameters.OptionalWord<MemberState>("--state", "Only patients in this state.");
        var after = Parameters.Text("--after", "ENTRY", "Only those after this one.");
        return new Verb("members", "Lists a cohort's patients, at most 1,000, without their numbers.") { tenant, cohort, state, after }.Answers(
            async run => await (await run.ConnectAsync()).Cohort(run.Get(tenant), run.Get(cohort)).MembersAsync(run.Get(after), run.Get(state), 1_000, run.Stopping),
            members => Tables.Rows(members, ("entry", m => m.Entry), ("state", m => Words.Of(m.State)), ("patient", m => m.Patient), ("problem", m => m.Problem)));
    }

    private static Verb Refresh()
    {
        var (tenant, cohort) = (Parameters.Tenant(), Parameters.Cohort());
        return new Verb("refresh", "Looks at the Group now, and once more for patients that were not found.") { tenant, cohort }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Cohort(run.Get(tenant), run.Get(cohort)).RefreshAsync(run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static Verb Remove()
    {
        var (tenant, cohort) = (Parameters.Tenant(), Parameters.Cohort());
        return new Verb("remove", "Ends a cohort. Patients of no other one are no longer copied; their records stay.") { tenant, cohort }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Cohort(run.Get(tenant), run.Get(cohort)).RemoveAsync(run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static IRenderable Show(CohortDescription cohort) => Tables.Facts(
        ("cohort", cohort.Cohort), ("group", cohort.Spec.Group), ("group seen", cohort.RefreshedAt),
        ("patients", cohort.Members.OrderBy(of => of.Key).Select(of => $"{Words.Of(of.Key)}: {of.Value};")),
        ("problem", cohort.Problem?.Message), ("export", cohort.Bulk is { } bulk ? Words.Of(bulk.State) : null));
}

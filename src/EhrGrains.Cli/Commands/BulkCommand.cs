using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains bulk</c>: bulk exports of cohorts.</summary>
internal static class BulkCommand
{
    internal static Command Build() => new("bulk", "Bulk exports of a cohort (FHIR Bulk Data Access), taken into the copies of its patients.")
    {
        Start(), Status(), Cancel(),
    };

    private static Verb Start()
    {
        var (tenant, cohort) = (Parameters.Tenant(), Parameters.Cohort());
        var level = Parameters.Word<ExportLevel>("--level", "Whose data: the cohort's Group, all patients, or the whole system.");
        var types = Parameters.Texts("--type", "TYPE", "Only resources of this type.");
        var incremental = new Option<bool>("--incremental") { Description = "Only what has changed since the last export that was complete." };
        return new Verb("start", "Begins an export; it goes on by itself. See «bulk status».") { tenant, cohort, level, types, incremental }.Answers(
            async run => await (await run.ConnectAsync()).Cohort(run.Get(tenant), run.Get(cohort)).StartBulkAsync(
                new BulkRequest { Level = run.Get(level), Types = run.Get(types), Incremental = run.Get(incremental) }, run.Stopping),
            Show);
    }

    private static Verb Status()
    {
        var (tenant, cohort) = (Parameters.Tenant(), Parameters.Cohort());
        var wait = Parameters.Wait("Waits until the export is over, and shows how far it is.");
        return new Verb("status", "Shows how the last export stands and what it brought, by type. Ends with 3 when it was not complete.") { tenant, cohort, wait }.Answers(
            async run =>
            {
                var grain = (await run.ConnectAsync()).Cohort(run.Get(tenant), run.Get(cohort));
                async Task<BulkStatus> LookAsync() => await grain.BulkStatusAsync(run.Stopping)
                    ?? throw new ProblemException(ProblemKind.NotFound, "EHR-CLI-098", "cohort", "Nothing of the cohort was exported yet: «bulk start» does.");
                return run.Get(wait) ? await run.Output.WaitAsync(LookAsync, Progress, status => status.EndedAt is not null, run.Stopping) : await LookAsync();
            },
            Show,
            status => status.State is BulkState.Incomplete or BulkState.Failed ? ExitCode.CheckFailed : ExitCode.Ok,
            wait);
    }

    private static Verb Cancel()
    {
        var (tenant, cohort) = (Parameters.Tenant(), Parameters.Cohort());
        return new Verb("cancel", "Ends the export that is under way, here and at the EHR. What it has brought stays.") { tenant, cohort }.Answers(
            async run => await (await run.ConnectAsync()).Cohort(run.Get(tenant), run.Get(cohort)).CancelBulkAsync(run.Stopping), Show);
    }

    private static (double Share, string Text) Progress(BulkStatus bulk) => bulk switch
    {
        { EndedAt: not null } => (1, Words.Of(bulk.State)),
        { Files: > 0 } => ((double)bulk.FilesRead / bulk.Files, $"{Words.Of(bulk.State)}: {bulk.FilesRead} of {bulk.Files} files, {bulk.Types.Sum(type => type.Fetched)} resources"),
        _ => ((bulk.Percent ?? 0) / 100.0, $"{Words.Of(bulk.State)} at the EHR"),
    };

    private static IRenderable Show(BulkStatus bulk) => new Rows(
        Tables.Facts(
            ("export", bulk.Job), ("level", Words.Of(bulk.Request.Level)), ("state", Words.Of(bulk.State)), ("asked for", bulk.RequestedAt),
            ("percent", bulk.Percent), ("next look", bulk.NextAskAt), ("files", bulk.Files), ("files read", bulk.FilesRead), ("bytes", bulk.Bytes),
            ("as of", bulk.TransactionTime), ("ended", bulk.EndedAt), ("problem", bulk.Problem is { } problem ? $"[{problem.Code}] {problem.Message}" : null)),
        Tables.Rows(
            bulk.Types,
            ("type", t => t.Type), ("said", t => t.Said), ("fetched", t => t.Fetched), ("stored", t => t.Stored), ("unchanged", t => t.Unchanged),
            ("deleted", t => t.Deleted), ("not enrolled", t => t.NotEnrolled), ("not copied", t => t.NotCopied), ("quarantined", t => t.Quarantined)));
}

using System.CommandLine;
using System.Globalization;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts.Sync;
using Spectre.Console;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains sync</c>: the copies of a tenant's patients.</summary>
internal static class SyncCommand
{
    internal static Command Build() => new("sync", "The copies of a tenant's patients: which are kept, how they stand, whether they are complete.")
    {
        Start(), Stop(), Pause(), Status(), Eta(), Report(),
    };

    private static Verb Start()
    {
        var tenant = Parameters.Tenant();
        var patients = Parameters.Patients("The logical id of the EHR's Patient, as the gateway has it: its copy is kept from now on.");
        var now = new Option<bool>("--now") { Description = "Ask the EHR now, not when the copy is due." };
        var whole = new Option<bool>("--whole") { Description = "Ask now, and for everything, not for changes alone." };
        return new Verb("start", "Enrols patients, and goes on where sync was paused.") { tenant, patients, now, whole }.Answers(
            async run =>
            {
                var sync = (await run.ConnectAsync()).Sync(run.Get(tenant));
                var chosen = run.Get(patients);
                foreach (var part in chosen.Chunk(1_000))
                {
                    await sync.EnrolAsync(part, run.Stopping);
                }

                if (run.Get(now) || run.Get(whole))
                {
                    await sync.RefreshAsync(chosen.Length > 0 ? chosen : null, run.Get(whole), run.Stopping);
                }

                await sync.ResumeAsync(run.Stopping);
                return await sync.StatusAsync(run.Stopping);
            },
            Show);
    }

    private static Verb Stop()
    {
        var tenant = Parameters.Tenant();
        var patients = Parameters.Patients("The patient, by its logical id.");
        patients.Required = true;
        return new Verb("stop", "Patients are no longer copied; what their records have stays.") { tenant, patients }.Answers(
            async run =>
            {
                var sync = (await run.ConnectAsync()).Sync(run.Get(tenant));
                foreach (var part in run.Get(patients).Chunk(1_000))
                {
                    await sync.LeaveAsync(part, run.Stopping);
                }

                return await sync.StatusAsync(run.Stopping);
            },
            Show);
    }

    private static Verb Pause()
    {
        var tenant = Parameters.Tenant();
        return new Verb("pause", "Asks the EHR for nothing more until «sync start».") { tenant }.Answers(
            async run =>
            {
                var sync = (await run.ConnectAsync()).Sync(run.Get(tenant));
                await sync.PauseAsync(run.Stopping);
                return await sync.StatusAsync(run.Stopping);
            },
            Show);
    }

    private static Verb Status()
    {
        var tenant = Parameters.Tenant();
        var patients = Parameters.Patients("Shows the copies of these patients instead, type by type.");
        return new Verb("status", "Shows how the copies of a tenant's patients stand, or those of some.") { tenant, patients }.Answers(
            async run =>
            {
                var cluster = await run.ConnectAsync();
                var shown = new List<SyncStatus>();
                foreach (var patient in run.Get(patients))
                {
                    shown.Add(await cluster.Sync(run.Get(tenant), patient).StatusAsync(run.Stopping));
                }

                return new ShownSync(shown.Count > 0 ? null : await cluster.Sync(run.Get(tenant)).StatusAsync(run.Stopping), [.. shown]);
            },
            shown => shown.Tenant is { } status ? Show(status) : new Rows(shown.Patients.Select(Show)));
    }

    private static Verb Eta()
    {
        var tenant = Parameters.Tenant();
        var wait = Parameters.Wait("Waits until no patient waits for its first copy, and shows how far that is.");
        return new Verb("eta", "Says how long it takes until every patient has a copy, at the rate of the last ten minutes.") { tenant, wait }.Answers(
            async run =>
            {
                var sync = (await run.ConnectAsync()).Sync(run.Get(tenant));
                return run.Get(wait)
                    ? await run.Output.WaitAsync(() => sync.StatusAsync(run.Stopping), Progress, status => status.Waiting == 0, run.Stopping)
                    : await sync.StatusAsync(run.Stopping);
            },
            status => new Text(
                status.Waiting == 0 ? $"None of {status.Patients} patients waits for its first copy."
                : status.TimeLeft is { } left ? $"{Span(left)} for {status.Waiting} of {status.Patients} patients, at {status.PatientsPerMinute:0.#} a minute."
                : $"Not known yet: {status.Waiting} of {status.Patients} patients wait for their first copy."),
            wait: wait);
    }

    private static (double Share, string Text) Progress(TenantSyncStatus status)
    {
        var copied = status.Patients - status.Waiting;
        var left = status.TimeLeft is { } time && status.Waiting > 0 ? $", {Span(time)} left" : "";
        return (status.Patients == 0 ? 1 : (double)copied / status.Patients, $"{copied} of {status.Patients} patients{left}");
    }

    private static Verb Report()
    {
        var tenant = Parameters.Tenant();
        var count = new Option<int>("--count") { Description = "Name at most this many patients whose copy is not complete, 0 to 1,000.", HelpName = "N", DefaultValueFactory = _ => 20 };
        return new Verb("report", "Says whether the copies are complete, or what is not. Ends with 3 when something is not.") { tenant, count }.Answers(
            async run => await (await run.ConnectAsync()).Sync(run.Get(tenant)).ReportAsync(run.Get(count), run.Stopping),
            report => new Rows(
                new Text(report.IsComplete ? $"Complete: all of {report.Status.Patients} patients." : $"Not complete: {report.Status.Patients - report.Status.Complete} of {report.Status.Patients} patients."),
                Show(report.Types),
                new Rows(report.Incomplete.Select(Show))),
            report => report.IsComplete ? ExitCode.Ok : ExitCode.CheckFailed);
    }

    private static Grid Show(TenantSyncStatus status) => Tables.Facts(
        ("state", status.IsPaused ? "paused" : "on"),
        ("patients", status.Patients),
        ("complete", status.Complete),
        ("waiting", status.Waiting),
        ("incomplete", status.Incomplete),
        ("due now", status.Due),
        ("a minute", status.PatientsPerMinute),
        ("time left", status.TimeLeft is { } left ? Span(left) : "not known"));

    private static Table Show(SyncTypeTotals[] types) => Tables.Rows(
        types,
        ("type", t => t.Type), ("patients", t => t.Patients), ("complete", t => t.Complete), ("said", t => t.Counts.Said), ("fetched", t => t.Counts.Fetched),
        ("stored", t => t.Counts.Stored), ("unchanged", t => t.Counts.Unchanged), ("quarantined", t => t.Counts.Quarantined), ("missing", t => t.Counts.Missing),
        ("deleted", t => t.Counts.Deleted));

    private static Rows Show(SyncStatus status) => new Rows(
        Tables.Facts(
            ("patient", status.Patient), ("record", status.Record), ("state", Words.Of(status.State)), ("complete", status.CompletedAt), ("due", status.DueAt),
            ("problem", status.Problem is { } problem ? $"[{problem.Code}] {problem.Message}" : null)),
        Tables.Rows(
            status.Types,
            ("type", t => t.Type), ("by", t => Words.Of(t.Mode)), ("complete", t => t.IsComplete), ("said", t => t.Counts.Said), ("fetched", t => t.Counts.Fetched),
            ("stored", t => t.Counts.Stored), ("unchanged", t => t.Counts.Unchanged), ("missing", t => t.Counts.Missing),
            ("why", t => string.Join(", ", t.Counts.Reasons.Select(reason => $"{reason.Key}: {reason.Value}").Append(t.Problem?.Message).OfType<string>()))));

    private static string Span(TimeSpan span) => span.TotalHours >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{(int)span.TotalHours} h {span.Minutes} min")
        : string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(span.TotalMinutes):0} min");
}

/// <summary>How copies stand: a tenant's as a whole, or those of single patients.</summary>
internal sealed record ShownSync(TenantSyncStatus? Tenant, SyncStatus[] Patients);

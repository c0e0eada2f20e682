using System.Diagnostics;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Tests.Populations;
using EhrGrains.Storage.Sync;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Query;

/// <summary>
/// The same forty ways while patients are copied page by page and while they are exported: each is told in a sentence, and once it ends
/// the copy becomes what the hospital has.
/// </summary>
public sealed partial class HostileTests
{
    private const int AtOnce = 16;
    private const int TurnsMax = 20;

    // Longer than any wait that a hospital can ask for, or that we take upon ourselves.
    private static readonly TimeSpan EveryWait = TimeSpan.FromMinutes(15);

    // What changes nothing that counts, each phase having more to which a way does not apply: then the work is simply complete.
    private static readonly string[] Harmless = ["clock-back", "older-version", "byte-order-mark", "shuffled-page", "missing-total"];
    private static readonly string[] AboutPages = ["endless-paging", "self-next", "foreign-next", "repeated-page", "shrinking-total", "other-patient", "older-version"];
    private static readonly Dictionary<string, string[]> MayBeComplete = new(StringComparer.Ordinal)
    {
        // A token endpoint has no pages, entries and versions; what it writes twice counts as it is written last.
        ["copy token"] = [.. Harmless, .. AboutPages, "wrong-content-type", "wrong-charset", "duplicate-keys"],

        // Pages may count what they like as long as they show everything; of another patient's resources none is taken, and each is counted.
        ["copy page"] = [.. Harmless, "shrinking-total", "other-patient"],

        // What only a reference leads to is on no page; its patient is nobody.
        ["copy body"] = [.. Harmless, .. AboutPages],

        ["export token"] = [.. Harmless, .. AboutPages, "wrong-content-type", "wrong-charset", "duplicate-keys"],

        // The kick-off's answer has no body; a manifest has no pages, entries and versions.
        ["export page"] = [.. Harmless, .. AboutPages, "wrong-content-type", "wrong-charset", "duplicate-keys"],

        // Bytes are read as lines, whatever they are called; a file has no pages.
        ["export body"] = [.. Harmless, .. AboutPages, "wrong-content-type"],
    };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("token", 0, "token")]
    [InlineData("page", 1, "search", "page")]
    [InlineData("body", 2, "read")]
    public async Task A_copy_under_attack_says_why_it_is_not_complete_and_is_afterwards(string phase, int patient, params string[] operations)
    {
        await AttackAsync($"copy {phase}", operations, name => CopyAsync(name, patient), async name =>
        {
            // A run that was cut short is ended; what it had put off is read by the one after it.
            var report = await CopyAsync(name, patient);
            report = report.IsComplete ? report : await CopyAsync(name, patient);
            report.IsComplete.ShouldBeTrue($"{name}: {report}");
            await CompareAsync(name, patient);
        });
    }

    [Theory]
    [InlineData("token", "token")]
    [InlineData("page", "export")]
    [InlineData("body", "file")]
    public async Task An_export_under_attack_says_why_it_is_not_complete_and_is_afterwards(string phase, params string[] operations)
    {
        await AttackAsync($"export {phase}", operations, name => ExportAsync(name, phase, status => status.Problem is not null || status.EndedAt is not null), async name =>
        {
            var report = await ExportAsync(name, phase, status => status.EndedAt is not null);
            report.IsComplete.ShouldBeTrue($"{name}: {report}");
            await CompareAsync(name, HostileHospitals.Copied);
        });
    }

    private async Task AttackAsync(string phase, string[] operations, Func<string, Task<Report>> workAsync, Func<string, Task> recoverAsync)
    {
        await Each(hospitals.Names, CalmedAsync);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var others = AskTheGoodOneAsync(over.Token);
        var reports = await hospitals.AttackAsync(operations, async (name, _) =>
        {
            var started = Stopwatch.GetTimestamp();
            return (Name: name, Report: await workAsync(name), Took: Stopwatch.GetElapsedTime(started));
        });
        await over.CancelAsync();
        (await others).ShouldBeGreaterThan(0);
        foreach (var (name, report, took) in reports)
        {
            TestContext.Current.TestOutputHelper!.WriteLine($"{phase} {name} {took.TotalSeconds:F1} s {report}");
        }

        (GC.GetTotalMemory(forceFullCollection: true) - before).ShouldBeLessThan(MemoryGrowthMax);
        reports.Where(one => one.Took > PatienceMax).ShouldBeEmpty();
        reports.Where(one => one.Report.IsComplete && !MayBeComplete[phase].Contains(one.Name)).Select(one => one.Name).ShouldBeEmpty();
        reports.Where(one => !one.Report.IsComplete && !one.Report.IsClear).ShouldBeEmpty();

        await Each(hospitals.Names, CalmedAsync);
        hospitals.Time.Jump(EveryWait);
        await Each(hospitals.Names, recoverAsync);

        async Task CalmedAsync(string name) => await hospitals.CalmAsync(name);
    }

    private static Task Each(IEnumerable<string> names, Func<string, Task> what) => Parallel.ForEachAsync(
        names, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = Ct }, async (name, _) => await what(name));

    /// <summary>Runs a patient's copy until it is over or put off.</summary>
    private async Task<Report> CopyAsync(string name, int index)
    {
        var (tenant, patient) = (HostileHospitals.Tenant(name), await PatientAsync(name, index));
        var table = hospitals.Cluster.Silo(0).GetRequiredService<SyncTable>();
        await table.PauseAsync(tenant, isPaused: true, Ct);
        await table.EnrolAsync(tenant, [patient], Ct);

        var cursor = hospitals.Cluster.Grains().GetGrain<IPatientSyncCursorGrain>(GrainKeys.Patient(tenant, patient));
        using (hospitals.Cluster.Silo(0).GetRequiredService<CallerTickets>().EnterSystem())
        {
            for (var turn = 0; await cursor.RunAsync(Ct); turn++)
            {
                turn.ShouldBeLessThan(TurnsMax);
            }
        }

        using var admin = hospitals.Cluster.EnterAdmin();
        var status = await cursor.StatusAsync(Ct);
        return new Report(
            status.State == SyncState.Complete, status.Problem ?? status.Types.FirstOrDefault(type => type is { IsComplete: false, Problem: not null })?.Problem);
    }

    /// <summary>Goes on with the cohort's bulk export, or begins another, until it is as wanted.</summary>
    private async Task<Report> ExportAsync(string name, string cohort, Func<BulkStatus, bool> isIt)
    {
        var tenant = HostileHospitals.Tenant(name);
        await hospitals.Cluster.Silo(0).GetRequiredService<SyncTable>().PauseAsync(tenant, isPaused: true, Ct);
        using var admin = hospitals.Cluster.EnterAdmin();
        using var counting = new Counting("ehrgrains.bulk.exports", "ehrgrains.bulk.delays");
        var grain = hospitals.Cluster.Grains().GetGrain<IPopulationSyncGrain>(GrainKeys.Cohort(tenant, CohortId.Parse(cohort, null)));
        await grain.SetAsync(new CohortSpec { Group = hospitals.Site(name).GroupId }, Ct);
        if (await grain.BulkStatusAsync(Ct) is not { EndedAt: null })
        {
            await grain.StartBulkAsync(new BulkRequest { Types = ["Patient", "Condition"] }, Ct);
        }

        var status = await counting.UntilAsync(async () => (await grain.BulkStatusAsync(Ct))!, isIt);
        return new Report(status.State == BulkState.Complete, status.Problem);
    }

    /// <summary>Each record has what the hospital has, and every resource of it has been written once.</summary>
    private async Task CompareAsync(string name, int index)
    {
        var tenant = HostileHospitals.Tenant(name);
        var patient = await PatientAsync(name, index);
        using var admin = hospitals.Cluster.Enter("admin", AppRole.Admin, CallContext.ReadMessagesScope);
        var cursor = hospitals.Cluster.Grains().GetGrain<IPatientSyncCursorGrain>(GrainKeys.Patient(tenant, patient));
        var record = hospitals.Cluster.Grains().GetGrain<IPatientRecordGrain>(GrainKeys.Patient(tenant, (await cursor.StatusAsync(Ct)).Record!.Value));
        var versions = (await record.WhyAsync(null, 1_000, Ct)).Select(version => version.Resource.ToString()).ToArray();
        var copied = versions.Where(key => key.StartsWith("Patient/", StringComparison.Ordinal) || key.StartsWith("Condition/", StringComparison.Ordinal));
        var truth = (await hospitals.AskAsync(name, $"truth?patient={(string)(await LineAsync(name, index))["id"]!}", Ct))["resources"]!.AsArray()
            .Where(one => (string)one!["type"]! is "Patient" or "Condition" && (bool)one["found"]!)
            .Select(one => $"{one!["type"]}/{ResourceIds.ToLegal((string)one["id"]!, out _)}");
        versions.ShouldBeUnique($"{name}: written twice");
        copied.Order(StringComparer.Ordinal).ShouldBe(truth.Order(StringComparer.Ordinal), name);
    }

    private async Task<PatientId> PatientAsync(string name, int index) =>
        PatientId.Parse(ResourceIds.ToLegal((string)(await LineAsync(name, index))["id"]!, out _), null);

    private async Task<JsonNode> LineAsync(string name, int index) => (await hospitals.PatientsAsync(name, Ct))[index];

    private sealed record Report(bool IsComplete, Problem? Problem)
    {
        /// <summary>One sentence or two that say what happened, with a code to look it up by.</summary>
        public bool IsClear => Problem is { Code.Length: > 0, Message: { Length: > 20 } message } && message.EndsWith('.') && !message.Contains('\n');

        public override string ToString() => IsComplete ? "complete" : $"{Problem?.Code} {Problem?.Message}";
    }
}

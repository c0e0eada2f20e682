using System.Globalization;
using System.Text.Json;
using EhrGrains.Cli.Contexts;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Sandbox;

namespace EhrGrains.Demo;

/// <summary>
/// Six hospitals, one of each EHR product: their patients are copied, each copy is held against what the hospital really has; then a
/// resource is changed, one deleted and one patient combined with another at each, and the copies are held against it again.
/// </summary>
internal sealed class SixSites(Stage stage) : IPlay
{
    private const int Patients = 8;
    private const int RecordResourcesMax = 1_000;
    private const string Corrected = "1961-04-12";

    // What the copy of a patient says who was merged, until the survivor's is complete.
    private const string Merging = "EHR-SYN-019";
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);

    // The shortest that can be stated, for deletions too; what is missing once counts as deleted.
    private static readonly SyncSpec Sync = new() { FreshnessSeconds = 60, AbsencesMax = 1, AlwaysWhole = true };
    private readonly Narrator narrator = stage.Narrator;

    // Who was merged, by tenant and survivor.
    private readonly Dictionary<(string Tenant, string Survivor), string> combined = [];
    private Hospitals hospitals = null!;
    private ClusterConnection reader = null!;

    public static TimeSpan Limit { get; } = TimeSpan.FromMinutes(5);

    public static IPlay On(Stage stage) => new SixSites(stage);

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in new IAsyncDisposable?[] { reader, hospitals })
        {
            if (connection is not null)
            {
                await connection.DisposeAsync();
            }
        }
    }

    public async Task ShowAsync(CancellationToken cancellationToken)
    {
        await narrator.StepAsync("Start a silo with its gateway, on one SQLite file", () => stage.StartSiloAsync(cancellationToken));
        await narrator.StepAsync("Open six hospitals and onboard them", () => OnboardAsync(cancellationToken));
        await narrator.StepAsync("Enrol the patients of each: the backfill", () => EnrolAsync(cancellationToken));
        await narrator.StepAsync("Is each copy what the hospital has?", () => CompareAsync(cancellationToken));
        await narrator.StepAsync(
            "At each hospital a birth date is corrected, a condition deleted and a patient merged into another", () => ChangeAsync(cancellationToken));
        await narrator.StepAsync("Is each copy what the hospital has now?", () => CompareAsync(cancellationToken));
    }

    public Task GoOnAsync(CancellationToken cancellationToken)
    {
        const string Cli = "dotnet run --project src/EhrGrains.Cli --";
        narrator.Say($"""

            It keeps running until Ctrl+C. In another terminal, at the root of the repository:

              export EHRGRAINS_CONTEXT={stage.OperatorFile}
              {Cli} sync status {hospitals.Sites[0].Tenant}
              {Cli} sync report {hospitals.Sites[0].Tenant}

            What a hospital has, and how it is changed: docs/sandbox.md, "Edits, and the truth".
            """);
        return Task.CompletedTask;
    }

    private async Task<IReadOnlyList<string>> PatientsAsync(SandboxSite site, CancellationToken cancellationToken) =>
        [.. (await hospitals.PatientsAsync(site, cancellationToken)).Where(patient => !combined.Any(one => one.Key.Tenant == site.Tenant && one.Value == patient))];

    private static TenantId TenantOf(SandboxSite site) => TenantId.Parse(site.Tenant, null);

    // As the gateway has the id: EHRs have some that FHIR does not allow.
    private static PatientId PatientOf(string id) => PatientId.Parse(ResourceIds.ToLegal(id, out _), null);

    private async Task<string> OnboardAsync(CancellationToken cancellationToken)
    {
        var options = new SandboxOptions
        {
            Vendors = [.. SandboxOptions.Products.Where(static product => product != "modmed-ema")],
            Patients = Patients,
            BasePort = stage.Ports.Hospitals,
        };
        hospitals = await Hospitals.StartAsync(options, stage.Admin.Context.Url, cancellationToken);
        reader = await stage.ConnectAsync(cancellationToken, CallContext.ReadMessagesScope);
        foreach (var site in hospitals.Sites)
        {
            var tenant = await Hospitals.OnboardAsync(stage.Admin, site, Sync, cancellationToken);
            CheckFailedException.Unless(tenant.Lifecycle == Lifecycle.Live, $"{site.Tenant} is {tenant.Lifecycle}, not live.");
        }

        narrator.Table(["tenant", "product", "requests a second"], hospitals.Sites.Select(
            static site => new[] { site.Tenant, site.Vendor, site.RequestsPerSecond.ToString(CultureInfo.InvariantCulture) }));
        return "all six gave us a token";
    }

    private async Task<string> EnrolAsync(CancellationToken cancellationToken)
    {
        foreach (var site in hospitals.Sites)
        {
            var patients = await hospitals.PatientsAsync(site, cancellationToken);
            await stage.Admin.Sync(TenantOf(site)).EnrolAsync([.. patients.Select(PatientOf)], cancellationToken);
        }

        return await UntilCompleteAsync(default, cancellationToken);
    }

    /// <summary>Waits until the copy of each hospital's patients is complete, each as of this time at least.</summary>
    private async Task<string> UntilCompleteAsync(DateTimeOffset since, CancellationToken cancellationToken)
    {
        var (patients, fetched) = (0, 0);
        foreach (var site in hospitals.Sites)
        {
            SyncReport report;
            while (!await IsCompleteAsync(site, report = await ReportAsync(site, cancellationToken), since, cancellationToken))
            {
                SayWhyNot(site, report);
                await Task.Delay(LookEvery, TimeProvider.System, cancellationToken);
            }

            patients += report.Status.Patients;
            fetched += report.Types.Sum(static type => type.Counts.Fetched);
        }

        return $"complete at all six: {patients} patients, {fetched} resources in their last readings";
    }

    private Task<SyncReport> ReportAsync(SandboxSite site, CancellationToken cancellationToken) =>
        stage.Admin.Sync(TenantOf(site)).ReportAsync(Patients, cancellationToken);

    private async Task<bool> IsCompleteAsync(SandboxSite site, SyncReport report, DateTimeOffset since, CancellationToken cancellationToken)
    {
        if (!report.IsComplete)
        {
            return false;
        }

        foreach (var patient in since == default ? [] : await PatientsAsync(site, cancellationToken))
        {
            var status = await stage.Admin.Sync(TenantOf(site), PatientOf(patient)).StatusAsync(cancellationToken);
            if (!(status.CompletedAt >= since))
            {
                return false;
            }
        }

        return true;
    }

    // A copy that ended incomplete does not become complete by waiting for the schedule.
    private static void SayWhyNot(SandboxSite site, SyncReport report)
    {
        var why = report.Incomplete.SelectMany(static status => status.Types).FirstOrDefault(static type => type is { Problem.Code: not Merging, FinishedAt: not null });
        CheckFailedException.Unless(
            report.Status.Incomplete == 0 || why is null, $"{site.Tenant} is not complete. {why?.Type}: {why?.Problem?.Code} {why?.Problem?.Message}");
    }

    private async Task<string> CompareAsync(CancellationToken cancellationToken)
    {
        var lines = new List<string[]>();
        foreach (var site in hospitals.Sites)
        {
            var (same, alone) = (0, new List<string>());
            foreach (var patient in await PatientsAsync(site, cancellationToken))
            {
                var (copied, wanted) = (await CopyAsync(site, patient, cancellationToken), await WantedAsync(site, patient, cancellationToken));
                same += copied.Keys.Count(wanted.ContainsKey);
                alone.AddRange(wanted.Where(one => one.Value && !copied.ContainsKey(one.Key)).Select(one => $"{one.Key} is not in the copy"));
                alone.AddRange(copied.Keys.Where(key => !wanted.ContainsKey(key)).Select(key => $"{key} is in the copy alone"));
            }

            CheckFailedException.Unless(alone.Count == 0, $"{site.Tenant}: {alone.Count} differences, the first: {alone.FirstOrDefault()}.");
            lines.Add([site.Tenant, site.Vendor, same.ToString(CultureInfo.InvariantCulture), "0"]);
        }

        narrator.Table(["tenant", "product", "resources in both", "differences"], lines);
        return "each resource that a search finds is in the copy, and nothing else";
    }

    /// <summary>What is in a patient's copy, by type and id.</summary>
    private async Task<Dictionary<string, JsonElement>> CopyAsync(SandboxSite site, string patient, CancellationToken cancellationToken)
    {
        var status = await stage.Admin.Sync(TenantOf(site), PatientOf(patient)).StatusAsync(cancellationToken);
        CheckFailedException.Unless(status.Record is not null, $"A patient of {site.Tenant} has no record.");
        var resources = await reader.Record(TenantOf(site), status.Record!.Value).ShowAsync(null, RecordResourcesMax, cancellationToken);
        return resources.Select(static json => JsonSerializer.Deserialize<JsonElement>(json))
            .ToDictionary(static resource => $"{resource.GetProperty("resourceType").GetString()}/{resource.GetProperty("id").GetString()}");
    }

    /// <summary>What the hospital has of a patient, by type and id, and whether the copy has to have it: what a search finds of the types that are copied.</summary>
    private async Task<Dictionary<string, bool>> WantedAsync(SandboxSite site, string patient, CancellationToken cancellationToken)
    {
        var types = (await ReportAsync(site, cancellationToken)).Types.Select(static type => type.Type).ToHashSet(StringComparer.Ordinal);
        var wanted = (await hospitals.TruthAsync(site, patient, cancellationToken)).ToDictionary(
            KeyOf, one => one.GetProperty("found").GetBoolean() && types.Contains(one.GetProperty("type").GetString()!));

        // Whom alone the merged patient's own resource refers to has come along, and need not.
        foreach (var one in combined.TryGetValue((site.Tenant, patient), out var prior) ? await hospitals.TruthAsync(site, prior, cancellationToken) : [])
        {
            wanted.TryAdd(KeyOf(one), false);
        }

        return wanted;

        static string KeyOf(JsonElement one) => $"{one.GetProperty("type").GetString()}/{ResourceIds.ToLegal(one.GetProperty("id").GetString()!, out _)}";
    }

    private async Task<string> ChangeAsync(CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetTimestamp();
        foreach (var site in hospitals.Sites)
        {
            var patients = await hospitals.PatientsAsync(site, cancellationToken);
            var condition = (await hospitals.TruthAsync(site, patients[1], cancellationToken))
                .First(static one => one.GetProperty("type").GetString() == "Condition").GetProperty("id").GetString()!;
            await hospitals.EditAsync(
                site,
                [
                    new { kind = "update", type = "Patient", id = patients[0], set = new { birthDate = Corrected } },
                    new { kind = "delete", type = "Condition", id = condition },
                    new { kind = "merge", id = patients[2], into = patients[3] },
                ],
                cancellationToken);
            combined.Add((site.Tenant, patients[3]), patients[2]);
        }

        // By the schedule alone: nobody is told that anything happened.
        await UntilCompleteAsync(TimeProvider.System.GetUtcNow(), cancellationToken);
        var took = TimeProvider.System.GetElapsedTime(began);
        foreach (var site in hospitals.Sites)
        {
            var patient = (await PatientsAsync(site, cancellationToken))[0];
            var copy = (await CopyAsync(site, patient, cancellationToken)).Values.Single(static resource => resource.GetProperty("resourceType").GetString() == "Patient");
            CheckFailedException.Unless(copy.GetProperty("birthDate").GetString() == Corrected, $"{site.Tenant}: the corrected birth date is not in the copy.");
        }

        // The freshness is how old a copy may become before it is read again; reading it takes a while too.
        CheckFailedException.Unless(
            took < TimeSpan.FromSeconds(Sync.FreshnessSeconds * 2), $"It took {took.TotalSeconds:F0} s; the freshness is {Sync.FreshnessSeconds} s.");
        return string.Create(
            CultureInfo.InvariantCulture, $"all of it known here, at all six, within {took.TotalSeconds:F0} s, by the schedule alone (freshness {Sync.FreshnessSeconds} s)");
    }
}

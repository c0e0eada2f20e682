using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Tests.Populations;

namespace EhrGrains.Grains.Tests.Sync;

/// <summary>Copies of patients of every product, held against what the hospital really has.</summary>
public sealed partial class HospitalSyncTests(SyncHospitals hospitals) : IClassFixture<SyncHospitals>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("epic")]
    [InlineData("oracle-health")]
    [InlineData("athenahealth")]
    [InlineData("meditech")]
    [InlineData("veradigm")]
    [InlineData("modmed")]
    [InlineData("modmed-ema")]
    public async Task A_copy_is_what_the_hospital_has(string vendor)
    {
        var tenant = await hospitals.OpenAsync(vendor);
        var patient = (await hospitals.PatientsAsync(vendor))[0];
        await hospitals.Table.EnrolAsync(tenant, [PatientId.Parse(patient, null)], Ct);

        var status = await hospitals.RunAsync(tenant, patient);

        status.State.ShouldBe(SyncState.Complete, string.Join("; ", status.Types.Where(type => !type.IsComplete).Select(type => $"{type.Type}: {type.Problem?.Code} {type.Problem?.Message}")));
        var record = await hospitals.RecordAsync(tenant, status.Record!.Value);
        var truth = await TruthAsync(vendor, patient);
        truth.Where(one => one.Value && status.Types.Any(type => one.Key.StartsWith(type.Type + "/", StringComparison.Ordinal))).Select(one => one.Key).Except(record.Keys).ShouldBeEmpty();
        record.Keys.Except(truth.Keys).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("epic")]
    [InlineData("athenahealth")]
    public async Task A_second_reading_writes_nothing_and_then_what_changed_arrives(string vendor)
    {
        var tenant = await hospitals.OpenAsync(vendor);
        var patient = PatientId.Parse((await hospitals.PatientsAsync(vendor))[1], null);
        await hospitals.Table.EnrolAsync(tenant, [patient], Ct);
        var first = await hospitals.RunAsync(tenant, patient.Value);
        var before = await hospitals.DescribeAsync(tenant, first.Record!.Value);

        await hospitals.Table.RefreshAsync(tenant, [patient], isWhole: true, Ct);
        var second = await hospitals.RunAsync(tenant, patient.Value);

        (await hospitals.DescribeAsync(tenant, first.Record.Value)).Version.ShouldBe(before.Version);
        Searched(second).Sum(type => type.Counts.Stored).ShouldBe(0);
        second.Types.Single(type => type.Type == "Observation").Counts.Unchanged.ShouldBe(first.Types.Single(type => type.Type == "Observation").Counts.Fetched);

        // One that a search finds, of each kind.
        var record = await hospitals.RecordAsync(tenant, first.Record.Value);
        var truth = (await hospitals.TruthAsync(vendor, patient.Value))["resources"]!.AsArray().Where(resource => (bool)resource!["found"]!).ToArray();
        var (changed, deleted) = (IdOf("Condition"), IdOf("Observation"));
        await hospitals.EditAsync(
            vendor,
            new { kind = "update", type = "Condition", id = changed, set = new { recordedDate = "2001-02-03" } },
            new { kind = "delete", type = "Observation", id = deleted });
        await hospitals.Table.RefreshAsync(tenant, [patient], isWhole: true, Ct);
        var third = await hospitals.RunAsync(tenant, patient.Value);

        var after = await hospitals.RecordAsync(tenant, first.Record.Value);
        ((string?)after[$"Condition/{ResourceIds.ToLegal(changed, out _)}"]["recordedDate"]).ShouldBe("2001-02-03");
        after.ShouldNotContainKey($"Observation/{ResourceIds.ToLegal(deleted, out _)}");
        after.Count.ShouldBe(record.Count - 1);
        Searched(third).Sum(type => type.Counts.Stored).ShouldBe(1);
        Searched(third).Sum(type => type.Counts.Deleted).ShouldBe(1);

        string IdOf(string type) => (string)truth.First(resource => (string)resource!["type"]! == type)!["id"]!;
    }

    [Fact]
    public async Task A_hospital_that_misbehaves_is_never_taken_for_read_and_the_copy_is_right_in_the_end()
    {
        var tenant = await hospitals.OpenAsync("athenahealth");
        var patient = PatientId.Parse((await hospitals.PatientsAsync("athenahealth"))[3], null);
        await hospitals.Table.EnrolAsync(tenant, [patient], Ct);
        foreach (var kind in new[] { "invalid-json", "truncated-body", "self-next", "endless-paging", "foreign-next", "partial", "session-expired", "html", "wrong-type" })
        {
            await hospitals.MisbehaveAsync("athenahealth", new { kind, path = "/Observation" });
            await hospitals.Table.RefreshAsync(tenant, [patient], isWhole: true, Ct);
            var status = await hospitals.RunAsync(tenant, patient.Value);
            status.Types.Single(type => type.Type == "Observation").IsComplete.ShouldBeFalse(kind);
            status.State.ShouldBe(SyncState.Incomplete, kind);
        }

        await hospitals.MisbehaveAsync("athenahealth");
        await hospitals.Table.RefreshAsync(tenant, [patient], isWhole: true, Ct);
        var right = await hospitals.RunAsync(tenant, patient.Value);

        right.State.ShouldBe(SyncState.Complete);
        var record = await hospitals.RecordAsync(tenant, right.Record!.Value);
        var truth = await TruthAsync("athenahealth", patient.Value);
        truth.Where(one => one.Value).Select(one => one.Key).Except(record.Keys).ShouldBeEmpty();
        record.Keys.Except(truth.Keys).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_run_that_is_cut_off_anywhere_goes_on_and_nothing_is_written_twice()
    {
        const int Cuts = 40;
        var tenant = await hospitals.OpenAsync("oracle-health");
        var patient = PatientId.Parse((await hospitals.PatientsAsync("oracle-health"))[3], null);
        await hospitals.Table.EnrolAsync(tenant, [patient], Ct);
        var random = new Random(7);
        var cutOff = 0;
        for (var i = 0; i < Cuts; i++)
        {
            using var cut = CancellationTokenSource.CreateLinkedTokenSource(Ct);
            cut.CancelAfter(TimeSpan.FromMilliseconds(random.Next(1, 60)));
            cutOff += await hospitals.TryRunAsync(tenant, patient.Value, cut.Token) ? 0 : 1;
        }

        // A commit that was cut off may come through while the next run reads: that run gives way, and the one after it goes on.
        var status = await hospitals.RunAsync(tenant, patient.Value);
        for (var i = 0; i < 5 && status.Problem is not null; i++)
        {
            status = await hospitals.RunAsync(tenant, patient.Value);
        }

        cutOff.ShouldBeGreaterThan(0);
        status.State.ShouldBe(SyncState.Complete, System.Text.Json.JsonSerializer.Serialize(status));
        var record = await hospitals.RecordAsync(tenant, status.Record!.Value);
        (await TruthAsync("oracle-health", patient.Value)).Where(one => one.Value).Select(one => one.Key).Except(record.Keys).ShouldBeEmpty();
        using var admin = hospitals.Cluster.EnterAdmin();
        var versions = await hospitals.Cluster.Grains().GetGrain<IPatientRecordGrain>(GrainKeys.Patient(tenant, status.Record.Value)).WhyAsync(null, 1_000, Ct);
        versions.Select(version => version.Resource.ToString()).Order(StringComparer.Ordinal).ShouldBe(record.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Whoever_is_enrolled_is_copied_and_a_message_about_them_makes_the_hospital_be_asked_again()
    {
        var tenant = await hospitals.OpenAsync("oracle-health");
        var patient = PatientId.Parse((await hospitals.PatientsAsync("oracle-health"))[2], null);
        var sync = hospitals.Cluster.Grains().GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(tenant));
        using var counting = new Counting("ehrgrains.sync.runs");
        using (hospitals.Cluster.EnterAdmin())
        {
            await sync.EnrolAsync([patient], Ct);
        }

        await counting.UntilAsync(() => hospitals.Table.LoadAsync(tenant, patient, Ct), found => found!.Patient.State == SyncState.Complete);
        var condition = (string)(await hospitals.TruthAsync("oracle-health", patient.Value))["resources"]!.AsArray()
            .First(resource => (string)resource!["type"]! == "Condition" && (bool)resource["found"]!)!["id"]!;
        await hospitals.EditAsync("oracle-health", new { kind = "update", type = "Condition", id = condition, set = new { recordedDate = "2001-02-03" } });
        using (hospitals.EnterSystem())
        {
            await sync.HintAsync(patient, ["Condition"], Ct);
        }

        await counting.UntilAsync(() => hospitals.RecordAsync(tenant, patient), record => (string?)record[$"Condition/{condition}"]["recordedDate"] == "2001-02-03");
        using var admin = hospitals.Cluster.EnterAdmin();
        var report = await sync.ReportAsync(10, Ct);
        report.IsComplete.ShouldBe(report.Status.Complete == report.Status.Patients);
        report.Types.ShouldContain(type => type.Type == "Condition" && type.Counts.Fetched > 0);
        (await hospitals.Table.LoadAsync(tenant, patient, Ct))!.Patient.Hinted.ShouldBe("");
    }

    [Fact]
    public async Task A_report_leaves_out_types_that_are_no_longer_copied()
    {
        var tenant = await hospitals.OpenAsync("meditech");
        var patient = PatientId.Parse((await hospitals.PatientsAsync("meditech"))[1], null);
        await hospitals.Table.EnrolAsync(tenant, [patient], Ct);
        await hospitals.RunAsync(tenant, patient.Value);
        using var admin = hospitals.Cluster.EnterAdmin();
        var grain = hospitals.Cluster.Grains().GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(tenant));
        var spec = (await grain.DescribeAsync(Ct)).Spec;
        try
        {
            await grain.RegisterAsync(spec with { Sync = spec.Sync with { Types = ["Patient", "Condition"] } }, dryRun: false, Ct);

            var report = await hospitals.Cluster.Grains().GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(tenant)).ReportAsync(10, Ct);

            report.Types.Select(type => type.Type).ShouldBe(["Condition", "Patient"]);
        }
        finally
        {
            await grain.RegisterAsync(spec, dryRun: false, Ct);
        }
    }

    // What is read by reference is read once.
    private static IEnumerable<SyncTypeStatus> Searched(SyncStatus status) => status.Types.Where(type => type.Mode != SyncMode.ByReference);

    /// <summary>What the hospital has of the types that are copied, and whether a search finds it.</summary>
    private async Task<Dictionary<string, bool>> TruthAsync(string vendor, string patient)
    {
        var types = VendorProfiles.Find(vendor)!.Sync.Types;
        return (await hospitals.TruthAsync(vendor, patient))["resources"]!.AsArray()
            .Where(resource => types.ContainsKey((string)resource!["type"]!))
            .ToDictionary(resource => $"{resource!["type"]}/{ResourceIds.ToLegal((string)resource["id"]!, out _)}", resource => (bool)resource!["found"]!);
    }
}

using System.Text.Json;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Tests.Populations;

namespace EhrGrains.Grains.Tests.Sync;

/// <summary>A FHIR server that none of us has written, copied through the profile of any US Core server.</summary>
public sealed partial class HospitalSyncTests
{
    private const string Corrected = "2001-02-03";

    // What an operator finds out of this site: its care plans have SNOMED CT's categories, and are found by their patient alone.
    private const string Profile = """
        resources: { CarePlan: { requiredAnyOf: [[patient]] } }
        sync: { types: { CarePlan: { searches: ~ } } }
        """;

    private static readonly string[] Copied =
        [.. VendorProfiles.Find("us-core")!.Sync.Types.Where(type => type.Value.Strategy != SyncStrategy.ByReference).Select(type => type.Key)];

    [Fact]
    public async Task A_server_of_others_is_copied_whole_and_then_what_changed_and_what_was_deleted()
    {
        using var foreign = await ForeignHospital.StartAsync(hospitals.KeysOf("foreign"));
        var tenant = await hospitals.OnboardAsync(
            new TenantSpec
            {
                Tenant = "foreign",
                DisplayName = "Foreign",
                TimeZone = "America/New_York",
                Budget = new BudgetSpec { Requests = 1_000, Concurrency = 50 },
                Sync = new SyncSpec { AbsencesMax = 1 },
                Connection = new ConnectionSpec
                {
                    Vendor = "us-core",
                    BaseUrl = foreign.BaseUrl,
                    ClientId = "ehrgrains",
                    Scopes = ["system/*.rs"],
                    PrivateNetworks = ["127.0.0.1/32"],
                    Profile = Profile,
                },
            },
            secret: null);
        var patients = (await foreign.AllAsync("Patient")).Keys.ToArray();
        patients.Length.ShouldBe(7);
        using var runs = new Counting("ehrgrains.sync.runs");
        using var admin = hospitals.Cluster.EnterAdmin();
        var cohort = hospitals.Cluster.Grains().GetGrain<IPopulationSyncGrain>(GrainKeys.Cohort(tenant, CohortId.Parse("roster", null)));
        await cohort.SetAsync(new CohortSpec(), Ct);
        await cohort.ImportAsync([.. patients.Select((patient, i) => new RosterEntry(i + 1, patient, null, null))], dryRun: false, Ct);
        var sync = hospitals.Cluster.Grains().GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(tenant));

        var report = await runs.UntilAsync(() => sync.ReportAsync(10, Ct), IsOver);

        report.IsComplete.ShouldBeTrue(JsonSerializer.Serialize(report.Incomplete));
        report.Types.ShouldAllBe(type => type.Counts.Quarantined == 0 && type.Counts.Missing == 0);
        var before = await CompareAsync(foreign, tenant, patients);
        before.ShouldBeGreaterThan(1_400);

        var condition = (await foreign.AllAsync("Condition")).Values.First();
        condition["recordedDate"] = Corrected;
        await foreign.PutAsync(condition);
        var gone = (await foreign.AllAsync("Observation")).Values.First();
        await foreign.DeleteAsync("Observation", (string)gone["id"]!);
        await sync.RefreshAsync(null, whole: true, Ct);

        report = await runs.UntilAsync(() => sync.ReportAsync(10, Ct), IsOver);

        report.IsComplete.ShouldBeTrue(JsonSerializer.Serialize(report.Incomplete));
        (await CompareAsync(foreign, tenant, patients)).ShouldBe(before - 1);
        var record = await RecordAsync(tenant, PatientOf(condition)!);
        ((string?)record[$"Condition/{condition["id"]}"]["recordedDate"]).ShouldBe(Corrected);
        Counts("Condition").Stored.ShouldBe(1);
        Counts("Observation").Deleted.ShouldBe(1);
        Counts("Observation").Stored.ShouldBe(0);

        SyncCounts Counts(string type) => report.Types.Single(one => one.Type == type).Counts;
    }

    // Every patient has been read since they became due.
    private static bool IsOver(SyncReport report) => report.Status is { Patients: 7, Waiting: 0, Due: 0 };

    /// <summary>Holds each record against the server by the ids; answers how many resources both have.</summary>
    private async Task<int> CompareAsync(ForeignHospital foreign, TenantId tenant, IReadOnlyList<string> patients)
    {
        var truth = new Dictionary<string, JsonObject>();
        foreach (var type in VendorProfiles.Find("us-core")!.Sync.Types.Keys)
        {
            foreach (var (id, resource) in await foreign.AllAsync(type))
            {
                truth.Add($"{type}/{id}", resource);
            }
        }

        var both = 0;
        foreach (var patient in patients)
        {
            var record = await RecordAsync(tenant, patient);
            var own = truth.Where(one => Copied.Contains(one.Key.Split('/')[0]) && PatientOf(one.Value) == patient).Select(one => one.Key).ToArray();
            own.Except(record.Keys).ShouldBeEmpty();
            record.Keys.Except(truth.Keys).ShouldBeEmpty();
            record.Keys.Where(key => PatientOf(truth[key]) is { } whose && whose != patient).ShouldBeEmpty();
            both += own.Length;
        }

        return both;
    }

    private async Task<Dictionary<string, JsonNode>> RecordAsync(TenantId tenant, string patient)
    {
        var cursor = hospitals.Cluster.Grains().GetGrain<IPatientSyncCursorGrain>(GrainKeys.Patient(tenant, PatientId.Parse(patient, null)));
        return await hospitals.RecordAsync(tenant, (await cursor.StatusAsync(Ct)).Record!.Value);
    }

    // Whose compartment a resource is in; null: nobody's.
    private static string? PatientOf(JsonObject resource) => (string)resource["resourceType"]! == "Patient"
        ? (string)resource["id"]!
        : ((string?)(resource["subject"] ?? resource["patient"])?["reference"])?.Split('/') is ["Patient", var id] ? id : null;
}

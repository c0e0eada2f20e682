using System.Net.Http.Json;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Grains.Tests.Records;

namespace EhrGrains.Grains.Tests.Sync;

/// <summary>A patient whom the hospital makes a part of another is a part of that one here too, and nothing of either is lost.</summary>
public sealed class MergedPatientTests(SyncHospitals hospitals) : IClassFixture<SyncHospitals>, IDisposable
{
    private readonly HttpClient http = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("epic")]
    [InlineData("oracle-health")]
    [InlineData("athenahealth")]
    [InlineData("meditech")]
    [InlineData("veradigm")]
    [InlineData("modmed")]
    [InlineData("modmed-ema")]
    public async Task Who_is_merged_at_the_hospital_is_merged_here(string vendor)
    {
        var tenant = await hospitals.OpenAsync(vendor);
        var patients = await hospitals.PatientsAsync(vendor);
        var (prior, survivor) = (patients[0], patients[1]);
        await hospitals.Table.EnrolAsync(tenant, [Id(prior), Id(survivor)], Ct);
        var before = await hospitals.RunAsync(tenant, prior);
        await hospitals.RunAsync(tenant, survivor);
        var had = await hospitals.RecordAsync(tenant, before.Record!.Value);

        // What goes with the merge, of the prior patient: nobody has it afterwards.
        var deleted = had.Keys.First(key => key.StartsWith("Condition/", StringComparison.Ordinal));
        await hospitals.EditAsync(
            vendor,
            new { kind = "delete", type = "Condition", id = await OriginalAsync(vendor, prior, deleted) },
            new { kind = "merge", id = prior, into = survivor });
        await hospitals.Table.RefreshAsync(tenant, [Id(prior)], isWhole: false, Ct);
        await EndAsync(tenant, prior);
        var after = await hospitals.RunAsync(tenant, survivor);

        (await hospitals.Table.LoadAsync(tenant, Id(prior), Ct)).ShouldBeNull();
        after.State.ShouldBe(SyncState.Complete);
        var record = await hospitals.RecordAsync(tenant, after.Record!.Value);
        record.ShouldNotContainKey(deleted);
        (await hospitals.DescribeAsync(tenant, before.Record.Value)).MergedInto.ShouldBe(after.Record);
        var wanted = (await hospitals.TruthAsync(vendor, survivor))["resources"]!.AsArray()
            .Where(resource => (bool)resource!["found"]! && after.Types.Any(type => type.Type == (string)resource["type"]!))
            .Select(resource => $"{resource!["type"]}/{ResourceIds.ToLegal((string)resource["id"]!, out _)}").ToArray();
        wanted.Except(record.Keys).ShouldBeEmpty();
        had.Keys.Except([deleted, $"Patient/{prior}"]).Except(record.Keys).ShouldBeEmpty();
        record.Values.Select(resource => (string?)resource["subject"]?["reference"]).OfType<string>().Distinct().ShouldBe([$"Patient/{after.Record}"]);
    }

    [Fact]
    public async Task A_survivor_whom_nobody_has_enrolled_is_copied_first_and_nothing_is_taken_for_deleted_meanwhile()
    {
        var tenant = await hospitals.OpenAsync("athenahealth");
        var patients = await hospitals.PatientsAsync("athenahealth");
        var (prior, survivor) = (patients[2], patients[3]);
        await hospitals.Table.EnrolAsync(tenant, [Id(prior)], Ct);
        var before = await hospitals.RunAsync(tenant, prior);
        var had = await hospitals.RecordAsync(tenant, before.Record!.Value);
        await hospitals.EditAsync("athenahealth", new { kind = "merge", id = prior, into = survivor });

        // The test alone says when the survivor is copied.
        await hospitals.Table.PauseAsync(tenant, isPaused: true, Ct);
        await hospitals.Table.RefreshAsync(tenant, [Id(prior)], isWhole: true, Ct);
        for (var i = 0; i < 3; i++)
        {
            var waiting = await hospitals.RunAsync(tenant, prior);
            waiting.Problem.ShouldNotBeNull().Code.ShouldBe("EHR-SYN-019");
            (await hospitals.RecordAsync(tenant, before.Record.Value)).Keys.ShouldBe(had.Keys, ignoreOrder: true);
        }

        await hospitals.RunAsync(tenant, survivor);
        await EndAsync(tenant, prior);
        var after = await hospitals.RunAsync(tenant, survivor);

        (await hospitals.Table.LoadAsync(tenant, Id(prior), Ct)).ShouldBeNull();
        had.Keys.Except([$"Patient/{prior}"]).Except((await hospitals.RecordAsync(tenant, after.Record!.Value)).Keys).ShouldBeEmpty();
    }

    [Fact]
    public async Task Of_a_patient_whom_a_message_merged_and_the_hospital_hides_nothing_is_taken_for_deleted()
    {
        var tenant = await hospitals.OpenAsync("epic");
        var patients = (await http.GetFromJsonAsync<JsonArray>($"{hospitals.Site("epic").AdminUrl}/patients", Ct))!;
        var (prior, survivor) = ((string)patients[2]!["id"]!, (string)patients[3]!["id"]!);
        await hospitals.Table.EnrolAsync(tenant, [Id(prior), Id(survivor)], Ct);
        var before = await hospitals.RunAsync(tenant, prior);
        var system = (string)(await hospitals.RecordAsync(tenant, before.Record!.Value))[$"Patient/{prior}"]["identifier"]!.AsArray()
            .Single(identifier => (string?)identifier!["type"]?["text"] == "EPI")!["system"]!;
        var record = (await hospitals.RunAsync(tenant, survivor)).Record!.Value;
        await hospitals.HearAsync(
            tenant, 1, RecordSite.Adt("A40", SyncHospitals.Number(patients[3]!, system), "Brown", prior: SyncHospitals.Number(patients[2]!, system)));
        await hospitals.EditAsync("epic", new { kind = "merge", id = prior, into = survivor }, new { kind = "delete", type = "Patient", id = prior });
        await hospitals.Table.RefreshAsync(tenant, [Id(survivor)], isWhole: true, Ct);
        await hospitals.RunAsync(tenant, survivor);
        var whole = await hospitals.RecordAsync(tenant, record);

        // The first of these learns where the record went, the second that there is no such patient, the third does not forget it.
        var status = before;
        for (var i = 0; i < 3; i++)
        {
            await hospitals.Table.RefreshAsync(tenant, [Id(prior)], isWhole: true, Ct);
            status = await hospitals.RunAsync(tenant, prior);
            status.State.ShouldBe(SyncState.Incomplete);
        }

        status.Types.Single(type => type.Type == "Patient").Problem!.Code.ShouldBe("EHR-SYN-009");
        (await hospitals.RecordAsync(tenant, record)).Keys.ShouldBe(whole.Keys, ignoreOrder: true);
    }

    public void Dispose() => http.Dispose();

    private static PatientId Id(string patient) => PatientId.Parse(ResourceIds.ToLegal(patient, out _), null);

    // A run is put off until the survivor's is complete.
    private async Task EndAsync(TenantId tenant, string patient)
    {
        for (var i = 0; i < 3 && await hospitals.Table.LoadAsync(tenant, Id(patient), Ct) is not null; i++)
        {
            using var system = hospitals.EnterSystem();
            await hospitals.Cluster.Grains().GetGrain<IPatientSyncCursorGrain>(GrainKeys.Patient(tenant, Id(patient))).RunAsync(Ct);
        }
    }

    private async Task<string> OriginalAsync(string vendor, string patient, string key) => (await hospitals.TruthAsync(vendor, patient))["resources"]!.AsArray()
        .Where(resource => $"{resource!["type"]}/{ResourceIds.ToLegal((string)resource["id"]!, out _)}" == key)
        .Select(resource => (string)resource!["id"]!).Single();
}

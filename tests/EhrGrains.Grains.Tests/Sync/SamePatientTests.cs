using System.Net.Http.Json;
using System.Text.Json.Nodes;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Tests.Records;

namespace EhrGrains.Grains.Tests.Sync;

/// <summary>A patient whom the hospital's messages know by a number and its FHIR server by another id is one patient.</summary>
public sealed class SamePatientTests(SyncHospitals hospitals) : IClassFixture<SyncHospitals>, IDisposable
{
    private readonly HttpClient http = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Messages_and_the_copy_of_one_patient_are_one_record_whichever_comes_first()
    {
        var tenant = await hospitals.OpenAsync("epic");
        var patients = (await http.GetFromJsonAsync<JsonArray>($"{hospitals.Site("epic").AdminUrl}/patients", Ct))!;
        var (one, other) = ((string)patients[1]!["id"]!, (string)patients[2]!["id"]!);
        await hospitals.Table.EnrolAsync(tenant, [PatientId.Parse(one, null), PatientId.Parse(other, null)], Ct);

        // The copy first: the message finds it by the number that the EHR's Patient has.
        var copied = (await hospitals.RunAsync(tenant, one)).Record!.Value;
        copied.Value.ShouldBe(one);
        var system = (string)(await hospitals.RecordAsync(tenant, copied))[$"Patient/{copied}"]["identifier"]!.AsArray()
            .Single(identifier => (string?)identifier!["type"]?["text"] == "EPI")!["system"]!;
        await hospitals.HearAsync(tenant, 1, RecordSite.Adt("A01", SyncHospitals.Number(patients[1]!, system), "Alvarez", "V1"));
        await IsOneAsync(tenant, copied, "V1");

        // The message first: its record has an id of its own, and the copy goes there.
        await hospitals.HearAsync(tenant, 2, RecordSite.Adt("A01", SyncHospitals.Number(patients[2]!, system), "Brown", "V2"));
        var record = (await hospitals.RunAsync(tenant, other)).Record!.Value;
        record.Value.ShouldNotBe(other);
        await IsOneAsync(tenant, record, "V2");
    }

    public void Dispose() => http.Dispose();

    private async Task IsOneAsync(TenantId tenant, PatientId record, string visit)
    {
        var chart = await hospitals.RecordAsync(tenant, record);
        chart.Keys.Where(key => key.StartsWith("Patient/", StringComparison.Ordinal)).ShouldBe([$"Patient/{record}"]);
        chart.Values.Where(resource => (string)resource["resourceType"]! == "Encounter")
            .ShouldContain(encounter => encounter["identifier"] != null && encounter["identifier"]!.AsArray().Any(number => (string?)number!["value"] == visit));
        chart.Keys.ShouldContain(key => key.StartsWith("Observation/", StringComparison.Ordinal));
        chart.Values.Select(resource => (string?)resource["subject"]?["reference"]).OfType<string>().Distinct().ShouldBe([$"Patient/{record}"]);
    }
}

using System.Net.Http.Json;
using System.Text.Json.Nodes;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.V2;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Records;
using EhrGrains.Grains.Tests.Records;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Sync;

/// <summary>A patient whom the hospital's messages know by a number and its FHIR server by another id is one patient.</summary>
public sealed class SamePatientTests(SyncHospitals hospitals) : IClassFixture<SyncHospitals>, IDisposable
{
    private static readonly V2Mapping Mapping = V2Mapping.Compile(new SiteLayer { TimeZone = "America/Chicago" });
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
        await ApplyAsync(tenant, 1, RecordSite.Adt("A01", Number(patients[1]!, system), "Alvarez", "V1"));
        await IsOneAsync(tenant, copied, "V1");

        // The message first: its record has an id of its own, and the copy goes there.
        await ApplyAsync(tenant, 2, RecordSite.Adt("A01", Number(patients[2]!, system), "Brown", "V2"));
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

    private static string Number(JsonNode patient, string system) => $"{patient["recordNumber"]}^^^EPI&{system["urn:oid:".Length..]}&ISO^MR~{patient["recordNumber"]}";

    private async Task ApplyAsync(TenantId tenant, long position, string message)
    {
        var silo = hospitals.Cluster.Silo(0);
        using var system = silo.GetRequiredService<CallerTickets>().EnterSystem();
        var mapping = silo.GetRequiredService<FeedMapping>();
        var job = await mapping.PrepareAsync(tenant, FeedId.Parse("adt", null), Mapping, position - 1, late: false, Ct);
        var entry = RecordSite.Entries(Enumerable.Repeat(message, (int)position))[^1];
        (await mapping.ApplyAsync(job, [entry], Ct)).Applied.ShouldBe(1);
    }
}

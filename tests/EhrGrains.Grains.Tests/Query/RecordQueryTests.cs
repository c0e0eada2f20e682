using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Records;
using EhrGrains.Grains.Callers;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Query;

/// <summary>Queries that the patient records answer, through the grain that Orleans clients call.</summary>
public sealed partial class RecordQueryTests(QueryCluster cluster) : IClassFixture<QueryCluster>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_record_is_searched_without_a_request_to_the_hospital()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        await FillAsync(hospital, "anna", Patient("anna", "Alvarez"), Observation("o1", "anna", "2345-7", 1), Observation("o2", "anna", "718-7", 2), Observation("o3", "anna", "2345-7", 3));
        using var app = cluster.EnterApp();
        var before = hospital.Requests;

        var answer = await SearchAsync(hospital, "Observation", Freshness.Record, ("patient", "anna"), ("code", "http://loinc.org|2345-7"));

        answer.Status.ShouldBe(200);
        FhirHospital.Ids(answer).ShouldBe(["o1", "o3"]);
        ((int)JsonNode.Parse(answer.Body)!["total"]!).ShouldBe(2);
        answer.AgeSeconds.ShouldNotBeNull();
        hospital.Requests.ShouldBe(before);
    }

    [Fact]
    public async Task A_tenant_is_searched_for_patients_by_identifiers_and_demographics()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        await FillAsync(hospital, "p-1", Patient("p-1", "Álvarez", "1974-12-25", "A1"));
        await FillAsync(hospital, "p-2", Patient("p-2", "Alvarado", "1974-12-26", "A2"));
        await FillAsync(hospital, "p-3", Patient("p-3", "Almquist", "1980-01-01", "A3"));
        using var app = cluster.EnterApp();

        (await IdsAsync(("family", "alv"))).ShouldBe(["p-1", "p-2"]);
        (await IdsAsync(("name", "ALVARE"))).ShouldBe(["p-1"]);
        (await IdsAsync(("family:exact", "Alvarado"))).ShouldBe(["p-2"]);
        (await IdsAsync(("birthdate", "1974-12"), ("gender", "female"))).ShouldBe(["p-1", "p-2"]);
        (await IdsAsync(("birthdate", "1974-12-26"), ("family", "al"))).ShouldBe(["p-2"]);
        (await IdsAsync(("identifier", "urn:mrn|A3"))).ShouldBe(["p-3"]);
        (await IdsAsync(("identifier", "A3,A1"))).ShouldBe(["p-1", "p-3"]);
        (await IdsAsync(("identifier", "urn:other|A3"))).ShouldBeEmpty();
        (await IdsAsync(("family", "al"), ("_sort", "-birthdate"))).ShouldBe(["p-3", "p-2", "p-1"]);
        (await SearchAsync(hospital, "Patient", Freshness.Record, ("gender", "female"))).Status.ShouldBe(400);

        async Task<string[]> IdsAsync(params (string, string)[] parameters) =>
            FhirHospital.Ids(await SearchAsync(hospital, "Patient", Freshness.Record, parameters));
    }

    [Fact]
    public async Task Included_resources_are_only_those_that_the_caller_may_read()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster, grant: ["system/Observation.rs", "system/Patient.r"]);
        await FillAsync(hospital, "anna", Patient("anna", "Alvarez"), Encounter("e1", "anna"), Observation("o1", "anna", "718-7", 1, "e1"));
        using var app = cluster.EnterApp();

        var answer = await SearchAsync(
            hospital, "Observation", Freshness.Record, ("patient", "anna"), ("_include", "Observation:subject"), ("_include", "Observation:encounter"));

        FhirHospital.Ids(answer).ShouldBe(["o1", "anna"]);
        (await SearchAsync(hospital, "Encounter", Freshness.Record, ("patient", "anna"))).Status.ShouldBe(403);
        FhirHospital.Ids(await hospital.Queries().EverythingAsync(Everything(hospital, "anna"), Ct)).ShouldBe(["o1", "anna"]);
    }

    [Fact]
    public async Task Everything_is_paged_and_windowed()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        await FillAsync(
            hospital, "anna", [Patient("anna", "Alvarez"), Encounter("e1", "anna"), .. Enumerable.Range(1, 20).Select(i => Observation($"o{i:00}", "anna", "718-7", i))]);
        using var app = cluster.EnterApp();

        var ids = new List<string>();
        string? cursor = null;
        do
        {
            var page = await hospital.Queries().EverythingAsync(Everything(hospital, "anna", ("_count", "6")) with { Cursor = cursor }, Ct);
            ids.AddRange(FhirHospital.Ids(page));
            cursor = FhirHospital.NextCursor(page);
        }
        while (cursor is not null);
        ids.Count.ShouldBe(22);
        ids.ShouldBeUnique();

        FhirHospital.Ids(await hospital.Queries().EverythingAsync(Everything(hospital, "anna", ("start", "2024-01-03"), ("end", "2024-01-05")), Ct))
            .ShouldBe(["o03", "o04", "o05", "anna"], ignoreOrder: true);
        FhirHospital.Ids(await hospital.Queries().EverythingAsync(Everything(hospital, "anna", ("_type", "Patient,Encounter")), Ct)).ShouldBe(["e1", "anna"]);
        FhirHospital.Codes(await hospital.Queries().EverythingAsync(Everything(hospital, "anna", ("_type", "Bear"), ("start", "x")), Ct)).Length.ShouldBe(2);
        (await hospital.Queries().EverythingAsync(Everything(hospital, "nobody"), Ct)).Status.ShouldBe(404);
    }

    [Fact]
    public async Task Versions_are_read_and_listed()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        await FillAsync(hospital, "anna", Patient("anna", "Alvarez"), Observation("o1", "anna", "718-7", 1));
        await FillAsync(hospital, "anna", Observation("o1", "anna", "718-7", 2));
        using var app = cluster.EnterApp();
        var queries = hospital.Queries();
        var read = new FhirRead { Type = "Observation", Id = "o1", GatewayBase = hospital.GatewayBase, Freshness = Freshness.Record };

        var now = await queries.ReadAsync(read, Ct);
        now.ETag.ShouldBe("W/\"2\"");
        ((string)JsonNode.Parse(now.Body)!["effectiveDateTime"]!).ShouldBe("2024-01-02");
        now.AgeSeconds.ShouldNotBeNull();
        var first = await queries.ReadAsync(read with { Version = 1 }, Ct);
        ((string)JsonNode.Parse(first.Body)!["effectiveDateTime"]!).ShouldBe("2024-01-01");
        (await queries.ReadAsync(read with { Version = 3 }, Ct)).Status.ShouldBe(404);

        var history = JsonNode.Parse((await queries.HistoryAsync(new FhirHistory { Type = "Observation", Id = "o1", GatewayBase = hospital.GatewayBase }, Ct)).Body)!;
        ((string)history["type"]!).ShouldBe("history");
        history["entry"]!.AsArray().Select(e => (string)e!["response"]!["etag"]!).ShouldBe(["W/\"2\"", "W/\"1\""]);
    }

    [Fact]
    public async Task The_age_that_is_allowed_decides_who_answers()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        await FillAsync(hospital, "anna", Patient("anna", "Alvarez"));
        using var app = cluster.EnterApp();
        var search = Ask(hospital, "Patient", Freshness.Policy, ("_id", "anna"));

        // The tenant says nothing: the EHR is asked, unless the query takes what is an hour old.
        (await AgeAsync(search)).ShouldBeNull();
        (await AgeAsync(search with { AgeMaxSeconds = 3600 })).ShouldNotBeNull();
        (await AgeAsync(search with { AgeMaxSeconds = 0 })).ShouldBeNull();
        (await AgeAsync(search with { AgeMaxSeconds = 3600, Freshness = Freshness.Ehr })).ShouldBeNull();

        // Whom the record does not know, and what it cannot search by, the EHR may.
        (await AgeAsync(Ask(hospital, "Patient", Freshness.Policy, ("_id", "nobody")) with { AgeMaxSeconds = 3600 })).ShouldBeNull();
        (await SearchAsync(hospital, "Patient", Freshness.Record, ("_id", "nobody"))).Status.ShouldBe(504);

        async Task<int?> AgeAsync(FhirSearch asked)
        {
            var answer = await hospital.Queries().SearchAsync(asked, Ct);
            answer.Status.ShouldBe(200);
            return answer.AgeSeconds;
        }
    }

    [Fact]
    public async Task Joined_pages_hold_what_the_hospital_has_and_what_only_the_record_has_once_each()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        await FillAsync(hospital, "p3", Patient("p3", "Alvarez", mrn: "J1"));
        await FillAsync(hospital, "only-here", Patient("only-here", "Alvarez", mrn: "J1"));
        using var app = cluster.EnterApp();

        var ids = new List<string>();
        string? cursor = null;
        do
        {
            var answer = await hospital.Queries().SearchAsync(Ask(hospital, "Patient", Freshness.Both, ("identifier", "urn:mrn|J1")) with { Cursor = cursor }, Ct);
            answer.Status.ShouldBe(200);
            ids.AddRange(FhirHospital.Ids(answer));
            cursor = FhirHospital.NextCursor(answer);
        }
        while (cursor is not null);

        ids.ShouldContain("only-here");
        ids.Distinct().Count().ShouldBe(46);
        ids.Count(id => id == "p3").ShouldBe(1);
    }

    [Fact]
    public async Task A_search_over_both_says_when_there_is_no_record_to_join()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster, setUp: h => h.Patients = 1);
        using var app = cluster.EnterApp();

        var answer = await SearchAsync(hospital, "Patient", Freshness.Both, ("_id", "nobody"));

        answer.Status.ShouldBe(200);
        FhirHospital.Codes(answer).ShouldBe(["EHR-QRY-026"]);
    }

    [Fact]
    public async Task A_search_that_cannot_be_run_names_every_parameter()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        await FillAsync(hospital, "anna", Patient("anna", "Alvarez"));
        using var app = cluster.EnterApp();

        var answer = await SearchAsync(
            hospital, "Observation", Freshness.Record, ("patient", "anna"), ("date", "yesterday"), ("value-quantity", "a|b"), ("code:below", "x"), ("_sort", "nonsense"));

        answer.Status.ShouldBe(400);
        JsonNode.Parse(answer.Body)!["issue"]!.AsArray().Select(i => (string)i!["expression"]![0]!)
            .ShouldBe(["http.date", "http.value-quantity", "http.code:below", "http._sort"]);
        (await SearchAsync(hospital, "Observation", Freshness.Record, ("code", "x"))).Status.ShouldBe(400);
    }

    [Fact]
    public async Task Another_tenants_record_is_not_there()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        await using var other = await FhirHospital.OpenAsync(cluster);
        await FillAsync(hospital, "anna", Patient("anna", "Alvarez", "1974-12-25", "A1"), Observation("o1", "anna", "718-7", 1));
        using var app = cluster.EnterApp();

        (await SearchAsync(other, "Observation", Freshness.Record, ("patient", "anna"))).Status.ShouldBe(504);
        FhirHospital.Ids(await SearchAsync(other, "Patient", Freshness.Record, ("identifier", "A1"))).ShouldBeEmpty();
        (await other.Queries().ReadAsync(new FhirRead { Type = "Observation", Id = "o1", GatewayBase = other.GatewayBase, Freshness = Freshness.Record }, Ct)).Status.ShouldBe(504);
    }

    private static Task<FhirResponse> SearchAsync(FhirHospital hospital, string type, Freshness freshness, params (string, string)[] parameters) =>
        hospital.Queries().SearchAsync(Ask(hospital, type, freshness, parameters), Ct);

    private static FhirSearch Ask(FhirHospital hospital, string type, Freshness freshness, params (string Name, string Value)[] parameters) => new()
    {
        Type = type,
        Parameters = [.. parameters.Select(p => new SearchParameter(p.Name, p.Value))],
        GatewayBase = hospital.GatewayBase,
        Freshness = freshness,
    };

    private static FhirEverything Everything(FhirHospital hospital, string patient, params (string Name, string Value)[] parameters) => new()
    {
        Patient = patient,
        Parameters = [.. parameters.Select(p => new SearchParameter(p.Name, p.Value))],
        GatewayBase = hospital.GatewayBase,
    };

    private async Task FillAsync(FhirHospital hospital, string patient, params JsonObject[] resources)
    {
        using var system = cluster.Silo(0).GetRequiredService<CallerTickets>().EnterSystem();
        var input = new RecordInput
        {
            Source = RecordSource.Fhir,
            Resources = [.. resources.Select(r => new RecordResource((string)r["resourceType"]!, (string)r["id"]!, Encoding.UTF8.GetBytes(r.ToJsonString()), []))],
        };
        var key = GrainKeys.Patient(hospital.Tenant, PatientId.Parse(patient, null));
        await cluster.Grains().GetGrain<IPatientRecordGrain>(key).ApplyAsync([input], Ct);
    }

    private static JsonObject Patient(string id, string family, string birthDate = "1974-12-25", string mrn = "M1") => new()
    {
        ["resourceType"] = "Patient",
        ["id"] = id,
        ["identifier"] = new JsonArray(new JsonObject { ["system"] = "urn:mrn", ["value"] = mrn }),
        ["name"] = new JsonArray(new JsonObject { ["family"] = family, ["given"] = new JsonArray("Anna") }),
        ["gender"] = "female",
        ["birthDate"] = birthDate,
    };

    private static JsonObject Encounter(string id, string patient) => new()
    {
        ["resourceType"] = "Encounter",
        ["id"] = id,
        ["status"] = "finished",
        ["subject"] = new JsonObject { ["reference"] = $"Patient/{patient}" },
        ["period"] = new JsonObject { ["start"] = "2023-06-01", ["end"] = "2023-06-02" },
    };

    private static JsonObject Observation(string id, string patient, string code, int day, string? encounter = null)
    {
        var observation = new JsonObject
        {
            ["resourceType"] = "Observation",
            ["id"] = id,
            ["status"] = "final",
            ["code"] = new JsonObject { ["coding"] = new JsonArray(new JsonObject { ["system"] = "http://loinc.org", ["code"] = code }) },
            ["subject"] = new JsonObject { ["reference"] = $"Patient/{patient}" },
            ["effectiveDateTime"] = new DateTime(2024, 1, 1).AddDays(day - 1).ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture),
            ["valueQuantity"] = new JsonObject { ["value"] = day },
        };
        if (encounter is not null)
        {
            observation["encounter"] = new JsonObject { ["reference"] = $"Encounter/{encounter}" };
        }

        return observation;
    }
}

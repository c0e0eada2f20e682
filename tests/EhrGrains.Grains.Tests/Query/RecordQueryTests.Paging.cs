using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Records;
using EhrGrains.Grains.Callers;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Query;

/// <summary>Pages of records that change while they are read.</summary>
public sealed partial class RecordQueryTests
{
    [Fact]
    public async Task Pages_hold_each_resource_once_while_the_record_changes()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        var all = Enumerable.Range(0, 50).Select(i => Observation($"o{i:00}", "anna", "718-7", i)).ToArray();
        await FillAsync(hospital, "anna", [Patient("anna", "Alvarez"), .. all]);
        using var app = cluster.EnterApp();
        foreach (var sort in new[] { null, "-date", "value-quantity,_id" })
        {
            var ids = new List<string>();
            string? cursor = null;
            var page = 0;
            do
            {
                List<(string, string)> parameters = [("patient", "anna"), ("_count", "7")];
                if (sort is not null)
                {
                    parameters.Add(("_sort", sort));
                }

                var search = Ask(hospital, "Observation", Freshness.Record, [.. parameters]) with { Cursor = cursor };
                var answer = await hospital.Queries(page % 2).SearchAsync(search, Ct);
                answer.Status.ShouldBe(200);
                ((int)JsonNode.Parse(answer.Body)!["total"]!).ShouldBeGreaterThanOrEqualTo(50);
                ids.AddRange(FhirHospital.Ids(answer));
                cursor = FhirHospital.NextCursor(answer);
                page++;

                // Each page finds another day, another value and one resource more.
                await FillAsync(hospital, "anna", [.. all.Skip(page).Select((o, i) => Observation((string)o["id"]!, "anna", "718-7", (i * 7) % 60))]);
                await FillAsync(hospital, "anna", Observation($"new{sort?.Length}-{page}", "anna", "718-7", page));
            }
            while (cursor is not null);

            var old = ids.Where(id => !id.StartsWith("new", StringComparison.Ordinal)).ToList();
            old.ShouldBeUnique();
            old.Count.ShouldBe(50);
            ids.ShouldBeUnique();
        }
    }

    [Fact]
    public async Task Pages_hold_each_resource_once_when_the_patient_is_merged_between_them()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        await FillAsync(hospital, "prior", [Patient("prior", "Alvarez"), .. Enumerable.Range(0, 20).Select(i => Observation($"o{i:00}", "prior", "718-7", i % 5))]);
        await FillAsync(hospital, "other", Patient("other", "Alvarez"));
        using var app = cluster.EnterApp();

        var ids = new List<string>();
        string? cursor = null;
        do
        {
            var search = Ask(hospital, "Observation", Freshness.Record, ("patient", "prior"), ("_count", "6"), ("_sort", "-date")) with { Cursor = cursor };
            var answer = await hospital.Queries().SearchAsync(search, Ct);
            answer.Status.ShouldBe(200);
            ids.AddRange(FhirHospital.Ids(answer));
            cursor = FhirHospital.NextCursor(answer);
            if (ids.Count == 6)
            {
                using var system = cluster.Silo(0).GetRequiredService<CallerTickets>().EnterSystem();
                var survivor = cluster.Grains().GetGrain<IPatientRecordGrain>(GrainKeys.Patient(hospital.Tenant, PatientId.Parse("other", null)));
                await survivor.MergeAsync(PatientId.Parse("prior", null), new RecordSource("adt", 1), late: false, Ct);
            }
        }
        while (cursor is not null);

        ids.ShouldBeUnique();
        ids.Count.ShouldBe(20);
        ids[..4].ShouldBe(["o04", "o09", "o14", "o19"]);
    }

    [Fact]
    public async Task A_sorted_search_over_the_tenant_goes_on_though_its_patients_change()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        for (var i = 0; i < 6; i++)
        {
            await FillAsync(hospital, $"p-{i}", Patient($"p-{i}", "Alvarez", $"198{i}-01-01", $"S{i}"));
        }

        using var app = cluster.EnterApp();
        var first = await SearchAsync(hospital, "Patient", Freshness.Record, ("family", "alv"), ("_sort", "-birthdate"), ("_count", "2"));
        FhirHospital.Ids(first).ShouldBe(["p-5", "p-4"]);

        // The last one of the page no longer matches, another becomes the youngest, and one comes.
        await FillAsync(hospital, "p-4", Patient("p-4", "Brown", "1970-01-01", "S4"));
        await FillAsync(hospital, "p-0", Patient("p-0", "Alvarez", "2020-01-01", "S0"));
        await FillAsync(hospital, "p-9", Patient("p-9", "Alvarez", "1981-06-01", "S9"));

        var ids = new List<string>();
        for (var cursor = FhirHospital.NextCursor(first); cursor is not null;)
        {
            var search = Ask(hospital, "Patient", Freshness.Record, ("family", "alv"), ("_sort", "-birthdate"), ("_count", "2")) with { Cursor = cursor };
            var answer = await hospital.Queries().SearchAsync(search, Ct);
            answer.Status.ShouldBe(200, Encoding.UTF8.GetString(answer.Body));
            ids.AddRange(FhirHospital.Ids(answer));
            cursor = FhirHospital.NextCursor(answer);
        }

        ids.ShouldBe(["p-3", "p-2", "p-1", "p-0"]);
    }

    [Fact]
    public async Task A_history_is_paged_and_later_versions_do_not_shift_it()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        for (var day = 1; day <= 7; day++)
        {
            await FillAsync(hospital, "anna", Patient("anna", "Alvarez"), Observation("o1", "anna", "718-7", day));
        }

        using var app = cluster.EnterApp();
        var (tags, totals) = (new List<string>(), new List<bool>());
        string? cursor = null;
        do
        {
            var ask = new FhirHistory { Type = "Observation", Id = "o1", GatewayBase = hospital.GatewayBase, CountMax = 3, Cursor = cursor };
            var answer = await hospital.Queries().HistoryAsync(ask, Ct);
            answer.Status.ShouldBe(200);
            var page = JsonNode.Parse(answer.Body)!;
            tags.AddRange(page["entry"]!.AsArray().Select(entry => (string)entry!["response"]!["etag"]!));
            totals.Add(page["total"] is not null);
            cursor = FhirHospital.NextCursor(answer);
            await FillAsync(hospital, "anna", Observation("o1", "anna", "718-7", 20 + tags.Count));
        }
        while (cursor is not null);

        tags.ShouldBe([.. Enumerable.Range(1, 7).Reverse().Select(version => $"W/\"{version}\"")]);
        totals.ShouldAllBe(total => !total);
        (await hospital.Queries().HistoryAsync(new FhirHistory { Type = "Observation", Id = "o1", GatewayBase = hospital.GatewayBase, Cursor = "made-up" }, Ct))
            .Status.ShouldBe(400);
    }
}

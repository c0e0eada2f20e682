using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Records;
using EhrGrains.Storage.Records;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Records;

public sealed class PatientRecordOnSqliteTests(SqliteGrainCluster cluster) : PatientRecordTests(cluster), IClassFixture<SqliteGrainCluster>;

public sealed class PatientRecordOnPostgresTests(PostgresGrainCluster cluster) : PatientRecordTests(cluster), IClassFixture<PostgresGrainCluster>;

/// <summary>What a record promises whoever gives it something.</summary>
public abstract class PatientRecordTests(GrainCluster fixture)
{
    private readonly GrainCluster cluster = fixture.OrSkip();
    private readonly TenantId tenant = TenantId.Parse($"r{Guid.CreateVersion7():N}", null);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_that_comes_again_changes_nothing_even_when_another_came_between()
    {
        await ApplyAsync("anna", 1, Patient("anna", "male"));
        await ApplyAsync("anna", 2, Patient("anna", "female"));
        var again = await ApplyAsync("anna", 1, Patient("anna", "male"));

        (again.Written, again.Unchanged).ShouldBe((0, 1));
        (await ShowAsync("anna"))["Patient/anna"]["gender"]!.ToString().ShouldBe("female");
        (await WhyAsync("anna", "Patient", "anna")).ShouldBe(["2 Updated adt/2", "1 Created adt/1"]);
    }

    [Fact]
    public async Task Several_messages_of_one_call_leave_each_its_version()
    {
        using var system = cluster.Tickets.EnterSystem();
        var receipt = await Record("anna").ApplyAsync([Input(1, Patient("anna", "male")), Input(2, Patient("anna", "female")), Input(3, Patient("anna", "female"))], Ct);

        (receipt.Written, receipt.Unchanged).ShouldBe((2, 1));
        (await WhyAsync("anna", "Patient", "anna")).ShouldBe(["2 Updated adt/2", "1 Created adt/1"]);
        (await DescribeAsync("anna")).Sources["adt"].ShouldBe(3);
    }

    [Fact]
    public async Task A_late_message_fills_gaps_and_takes_nothing_from_a_later_one()
    {
        await ApplyAsync("anna", 5, Patient("anna", "female"));
        using (cluster.Tickets.EnterSystem())
        {
            var late = Input(3, Resource("Patient", "anna", """ "gender":"male","birthDate":"1970-01-01" """)) with { Late = true };
            (await Record("anna").ApplyAsync([late], Ct)).Written.ShouldBe(1);
            (await Record("anna").ApplyAsync([late], Ct)).Written.ShouldBe(0);
        }

        var anna = (await ShowAsync("anna"))["Patient/anna"];
        (anna["gender"]!.ToString(), anna["birthDate"]!.ToString()).ShouldBe(("female", "1970-01-01"));
    }

    [Fact]
    public async Task An_activation_that_another_has_overtaken_finds_out_at_its_next_change()
    {
        await ApplyAsync("anna", 1, Patient("anna", "male"));
        var store = cluster.Silo(0).GetRequiredService<RecordStore>();
        var behind = await store.LoadAsync(tenant, Id("anna"), long.MaxValue, Ct);
        var written = await cluster.Silo(1).GetRequiredService<RecordWriter>().CommitAsync(
            new ChartCommit
            {
                Tenant = tenant,
                Heads = [behind.Head with { Version = 2, Marks = new Dictionary<string, long[]> { ["adt"] = [1, 2] } }],
                Writes = [new ChartWrite(Id("anna"), behind.Resources[0] with { Version = 2, Source = "adt/2" })],
            },
            Ct);
        written.ShouldBeTrue();

        (await ApplyAsync("anna", 2, Patient("anna", "other"))).Written.ShouldBe(0, "it is known there");
        (await ApplyAsync("anna", 3, Patient("anna", "other"))).Written.ShouldBe(1);
        (await WhyAsync("anna", "Patient", "anna")).ShouldBe(["3 Updated adt/3", "2 Created adt/2", "1 Created adt/1"]);
    }

    [Fact]
    public async Task A_merge_moves_everything_links_both_and_sends_what_comes_for_the_prior_to_the_survivor()
    {
        await MergedAsync();

        var berta = await ShowAsync("berta");
        berta.Keys.Order(StringComparer.Ordinal).ShouldBe(["Location/ward", "Observation/o1", "Observation/o2", "Patient/berta"]);
        berta["Observation/o1"]["subject"]!["reference"]!.ToString().ShouldBe("Patient/berta");
        berta["Observation/o1"]["meta"]!["versionId"]!.ToString().ShouldBe("2", "its versions go on");
        berta["Location/ward"]["name"]!.ToString().ShouldBe("of berta");
        Link(berta["Patient/berta"]).ShouldBe("Patient/anna replaces");
        var anna = await ShowAsync("anna");
        anna.Keys.ShouldBe(["Patient/anna"]);
        (Link(anna["Patient/anna"]), anna["Patient/anna"]["active"]!.ToString()).ShouldBe(("Patient/berta replaced-by", "false"));
        (await ApplyAsync("anna", 9, Patient("anna", "male"))).MovedTo.ShouldBe(Id("berta"));
        (await WhyAsync("berta", "Observation", "o1")).ShouldBe(["2 Merged adt/3", "2 Merged adt/3", "1 Created adt/1"], "with what it had in the prior record");
    }

    [Fact]
    public async Task A_merge_again_or_in_a_circle_or_of_nobody_is_refused_with_the_reason_and_breaks_nothing()
    {
        await MergedAsync();
        var before = await DescribeAsync("berta");

        await MergeAsync("anna", "berta", 3);
        (await RefusedAsync("anna", "berta", 4)).ShouldBe("EHR-REC-012");
        (await RefusedAsync("berta", "anna", 5)).ShouldBe("EHR-REC-004");
        (await RefusedAsync("anna", "carla", 6)).ShouldBe("EHR-REC-004");
        (await RefusedAsync("nobody", "berta", 7)).ShouldBe("EHR-REC-002");
        (await RefusedAsync("berta", "berta", 8)).ShouldBe("EHR-REC-005");
        (await DescribeAsync("berta")).Version.ShouldBe(before.Version);

        async Task<string> RefusedAsync(string prior, string survivor, long position) =>
            (await Should.ThrowAsync<ProblemException>(() => MergeAsync(prior, survivor, position))).Problems[0].Code;
    }

    [Fact]
    public async Task Undoing_a_merge_gives_back_what_came_from_there_as_it_is_now()
    {
        await MergedAsync();
        await ApplyAsync("berta", 4, Resource("Observation", "o1", """ "status":"amended","subject":{"reference":"Patient/berta"} """));
        await ApplyAsync("berta", 5, Resource("Observation", "o3", """ "subject":{"reference":"Patient/berta"} """));
        using (cluster.EnterAdmin())
        {
            await Record("anna").UnmergeAsync(Ct);
        }

        var anna = await ShowAsync("anna");
        anna.Keys.Order(StringComparer.Ordinal).ShouldBe(["Location/ward", "Observation/o1", "Patient/anna"]);
        (anna["Observation/o1"]["status"]!.ToString(), anna["Observation/o1"]["subject"]!["reference"]!.ToString()).ShouldBe(("amended", "Patient/anna"));
        anna["Location/ward"]["name"]!.ToString().ShouldBe("of anna");
        (anna["Patient/anna"]["active"]!.ToString(), anna["Patient/anna"]["link"]).ShouldBe(("true", null));
        var berta = await ShowAsync("berta");
        berta.Keys.Order(StringComparer.Ordinal).ShouldBe(["Location/ward", "Observation/o2", "Observation/o3", "Patient/berta"]);
        berta["Patient/berta"]["link"].ShouldBeNull();
        (await ApplyAsync("anna", 9, Patient("anna", "other"))).MovedTo.ShouldBeNull();

        await MergeAsync("anna", "berta", 3);
        (await DescribeAsync("anna")).MergedInto.ShouldBeNull("the message was taken before, and undone by somebody since");
        using var admin = cluster.EnterAdmin();
        (await Should.ThrowAsync<ProblemException>(() => Record("anna").UnmergeAsync(Ct))).Problems[0].Code.ShouldBe("EHR-REC-006");
    }

    [Fact]
    public async Task A_visit_that_moves_takes_what_refers_to_it_along_and_a_copy_of_what_it_refers_to()
    {
        await ApplyAsync(
            "anna",
            1,
            Patient("anna", "female"),
            Resource("Encounter", "v1", """ "subject":{"reference":"Patient/anna"},"location":[{"location":{"reference":"Location/ward"}}] """),
            Resource("Encounter", "v2", """ "subject":{"reference":"Patient/anna"} """),
            Resource("Observation", "o1", """ "encounter":{"reference":"Encounter/v1"},"subject":{"reference":"Patient/anna"} """),
            Resource("Observation", "o2", """ "encounter":{"reference":"Encounter/v2"} """),
            Resource("Location", "ward", """ "name":"ward" """));
        await ApplyAsync("berta", 2, Patient("berta", "female"));
        using (cluster.Tickets.EnterSystem())
        {
            await Record("berta").TakeAsync(Id("anna"), [new("Encounter", "v1")], new("adt", 3), Ct);
            await Record("berta").TakeAsync(Id("anna"), [new("Encounter", "v1")], new("adt", 3), Ct);
            (await Should.ThrowAsync<ProblemException>(() => Record("berta").TakeAsync(Id("anna"), [new("Encounter", "v9")], new("adt", 4), Ct)))
                .Problems[0].Code.ShouldBe("EHR-REC-008");
        }

        (await ShowAsync("anna")).Keys.Order(StringComparer.Ordinal).ShouldBe(["Encounter/v2", "Location/ward", "Observation/o2", "Patient/anna"]);
        var berta = await ShowAsync("berta");
        berta.Keys.Order(StringComparer.Ordinal).ShouldBe(["Encounter/v1", "Location/ward", "Observation/o1", "Patient/berta"]);
        berta["Observation/o1"]["subject"]!["reference"]!.ToString().ShouldBe("Patient/berta");
    }

    [Fact]
    public async Task Two_records_can_be_linked_and_unlinked_without_being_merged()
    {
        await ApplyAsync("anna", 1, Patient("anna", "female"));
        await ApplyAsync("berta", 2, Patient("berta", "female"));
        using (cluster.Tickets.EnterSystem())
        {
            await Record("anna").LinkAsync(Id("berta"), linked: true, new("adt", 3), Ct);
            await Record("anna").LinkAsync(Id("berta"), linked: true, new("adt", 3), Ct);
        }

        Link((await ShowAsync("anna"))["Patient/anna"]).ShouldBe("Patient/berta seealso");
        Link((await ShowAsync("berta"))["Patient/berta"]).ShouldBe("Patient/anna seealso");
        (await WhyAsync("berta", "Patient", "berta")).Length.ShouldBe(2);
        using var system = cluster.Tickets.EnterSystem();
        await Record("anna").LinkAsync(Id("berta"), linked: false, new("adt", 4), Ct);
        (await ShowAsync("berta"))["Patient/berta"]["link"].ShouldBeNull();
    }

    [Fact]
    public async Task Changes_are_numbered_in_the_order_of_commits_and_name_their_source()
    {
        await MergedAsync();

        var rows = await cluster.LookAsync($"SELECT seq || ' ' || patient || ' ' || type || '/' || id || ' ' || version || ' ' || kind || ' ' || source FROM changes WHERE tenant_id = '{tenant}' ORDER BY seq");
        rows[..3].ShouldBe(["1 anna Patient/anna 1 1 adt/1", "2 anna Observation/o1 1 1 adt/1", "3 anna Location/ward 1 1 adt/1"]);
        rows.Count(row => row.EndsWith(" 4 adt/3", StringComparison.Ordinal)).ShouldBe(5, "o1 out and in, the ward out, both Patients");
        rows.Select((row, i) => row.StartsWith($"{i + 1} ", StringComparison.Ordinal)).ShouldAllBe(gapless => gapless);
    }

    [Fact]
    public async Task A_record_above_the_bound_keeps_its_large_types_out_of_memory_and_has_them_when_they_are_needed()
    {
        var large = new string('x', 1000);
        await ApplyAsync("anna", 1, [Patient("anna", "female"), .. Enumerable.Range(0, 20).Select(i => Resource("Observation", $"o{i}", $""" "note":"{large}" """))]);
        var store = cluster.Silo(0).GetRequiredService<RecordStore>();

        var state = await RecordState.LoadAsync(store, tenant, Id("anna"), TimeZoneInfo.Utc, 10_000, Ct);
        (state.Chart.Count, state.Head.Resources).ShouldBe((1, 21L));
        state.Spilled.ShouldBe(["Observation"]);
        await state.NeedAsync(store, tenant, ["Observation"], Ct);
        (state.Chart.Count, state.Find(new RecordKey("Observation", "o7"))!.Version).ShouldBe((21, 1));
        await state.NeedAsync(store, tenant, ["Patient"], Ct);
        state.Chart.Count.ShouldBe(1);
    }

    private async Task MergedAsync()
    {
        await ApplyAsync(
            "anna",
            1,
            Patient("anna", "female"),
            Resource("Observation", "o1", """ "status":"final","subject":{"reference":"Patient/anna"} """),
            Resource("Location", "ward", """ "name":"of anna" """));
        await ApplyAsync(
            "berta",
            2,
            Patient("berta", "female"),
            Resource("Observation", "o2", """ "status":"final","subject":{"reference":"Patient/berta"} """),
            Resource("Location", "ward", """ "name":"of berta" """));
        await MergeAsync("anna", "berta", 3);
    }

    private async Task MergeAsync(string prior, string survivor, long position)
    {
        using var system = cluster.Tickets.EnterSystem();
        await Record(survivor).MergeAsync(Id(prior), new RecordSource("adt", position), late: false, Ct);
    }

    private async Task<RecordReceipt> ApplyAsync(string patient, long position, params RecordResource[] resources)
    {
        using var system = cluster.Tickets.EnterSystem();
        return await Record(patient).ApplyAsync([Input(position, resources)], Ct);
    }

    private async Task<Dictionary<string, JsonNode>> ShowAsync(string patient)
    {
        using var admin = cluster.Tickets.Enter(new Caller(AppId.Parse("admin", null), AppRole.Admin, [CallContext.ReadMessagesScope], default));
        var resources = await Record(patient).ShowAsync(null, 1000, Ct);
        return resources.Select(json => JsonNode.Parse(json)!).ToDictionary(node => $"{node["resourceType"]}/{node["id"]}");
    }

    private async Task<string[]> WhyAsync(string patient, string type, string id)
    {
        using var admin = cluster.EnterAdmin();
        return [.. (await Record(patient).WhyAsync(new RecordKey(type, id), 100, Ct)).Select(version => $"{version.Version} {version.Kind} {version.Source}")];
    }

    private async Task<RecordDescription> DescribeAsync(string patient)
    {
        using var admin = cluster.EnterAdmin();
        return await Record(patient).DescribeAsync(Ct);
    }

    private IPatientRecordGrain Record(string patient) => cluster.Inside.GetGrain<IPatientRecordGrain>(GrainKeys.Patient(tenant, Id(patient)));

    private static PatientId Id(string patient) => PatientId.Parse(patient, null);

    private static RecordInput Input(long position, params RecordResource[] resources) =>
        new() { Source = new RecordSource("adt", position), Resources = resources };

    private static RecordResource Patient(string id, string gender) => Resource("Patient", id, $""" "active":true,"gender":"{gender}" """);

    private static RecordResource Resource(string type, string id, string members) =>
        new(type, id, Encoding.UTF8.GetBytes($$"""{"resourceType":"{{type}}","id":"{{id}}",{{members.Trim()}}}"""), []);

    private static string Link(JsonNode patient) => $"{patient["link"]![0]!["other"]!["reference"]} {patient["link"]![0]!["type"]}";
}

using System.Net.Http.Json;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.V2;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Populations;
using EhrGrains.Grains.Tests.Records;
using EhrGrains.Grains.Tests.Sync;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Populations;

/// <summary>Cohorts and bulk exports at simulated hospitals, held against what these really have.</summary>
public sealed class PopulationTests(SyncHospitals hospitals) : IClassFixture<SyncHospitals>
{
    private static readonly HttpClient Http = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Patients_of_a_roster_are_looked_up_and_enrolled_and_who_is_unknown_is_named()
    {
        var (tenant, lines) = (await hospitals.OpenAsync("epic"), await LinesAsync("epic"));
        using var admin = hospitals.Cluster.EnterAdmin();
        var cohort = await SetAsync(tenant, "roster", new CohortSpec());
        var receipt = await cohort.ImportAsync(
            [
                new RosterEntry(2, null, null, (string)lines[0]["recordNumber"]!),
                new RosterEntry(3, (string)lines[1]["id"]!, null, null),
                new RosterEntry(4, null, null, "no-such-number"),
                new RosterEntry(5, null, null, (string)lines[0]["recordNumber"]!),
            ],
            dryRun: false,
            Ct);
        receipt.ShouldBe(new RosterReceipt(3, 0));

        using var counting = new Counting("ehrgrains.population.members");
        await counting.UntilAsync(() => cohort.DescribeAsync(Ct), found => !found.Members.ContainsKey(MemberState.Waiting));

        var members = await cohort.MembersAsync(null, null, 10, Ct);
        members.Where(member => member.State == MemberState.Enrolled).Select(member => member.Patient!.Value.Value)
            .ShouldBe([Legal(lines[0]), Legal(lines[1])], ignoreOrder: true);
        members.Single(member => member.State == MemberState.NotFound).Problem.ShouldBe("EHR-POP-033");
        (await StatusOfAsync(tenant, Legal(lines[0]))).Patient.Value.ShouldBe(Legal(lines[0]));

        await cohort.RemoveAsync(Ct);
        (await Should.ThrowAsync<ProblemException>(() => StatusOfAsync(tenant, Legal(lines[0])))).Kind.ShouldBe(ProblemKind.NotFound);
        (await Should.ThrowAsync<ProblemException>(() => cohort.DescribeAsync(Ct))).Kind.ShouldBe(ProblemKind.NotFound);
    }

    [Fact]
    public async Task Whoever_a_message_names_is_looked_up_and_enrolled_and_looked_up_again_when_the_hospital_comes_to_know_them()
    {
        var (tenant, lines) = (await hospitals.OpenAsync("veradigm"), await LinesAsync("veradigm"));
        await hospitals.Table.PauseAsync(tenant, isPaused: true, Ct);
        var number = SyncHospitals.Number(lines[0], "urn:oid:2.16.840.1.113883.3.9999.1");
        var entries = RecordSite.Entries([RecordSite.Adt("A01", number, "Alvarez", "V1"), RecordSite.Adt("A01", "unknown-number", "Brown", "V2")]);
        var enrolment = hospitals.Cluster.Silo(0).GetRequiredService<MessageEnrolment>();
        var mapping = V2Mapping.Compile(new SiteLayer { TimeZone = "America/Chicago" });
        using var counting = new Counting("ehrgrains.population.members");
        using (hospitals.EnterSystem())
        {
            await enrolment.TakeAsync(tenant, mapping, entries, Ct);
        }

        using var admin = hospitals.Cluster.EnterAdmin();
        var cohort = hospitals.Cluster.Grains().GetGrain<IPopulationSyncGrain>(GrainKeys.Cohort(tenant, CohortId.Parse("messages", null)));
        await counting.UntilAsync(() => cohort.DescribeAsync(Ct), found => !found.Members.ContainsKey(MemberState.Waiting));
        (await cohort.MembersAsync(null, MemberState.Enrolled, 10, Ct)).Single().Patient!.Value.Value.ShouldBe(Legal(lines[0]));
        (await cohort.DescribeAsync(Ct)).Members[MemberState.NotFound].ShouldBe(1);

        using (hospitals.EnterSystem())
        {
            await enrolment.TakeAsync(tenant, mapping, entries, Ct);
        }

        (await cohort.DescribeAsync(Ct)).Members.Keys.ShouldBe([MemberState.Waiting, MemberState.Enrolled], ignoreOrder: true);
    }

    [Fact]
    public async Task Who_leaves_the_Group_is_copied_no_longer_once_two_looks_agree_and_comes_back_with_it()
    {
        var (tenant, lines, group) = (await hospitals.OpenAsync("veradigm"), (await LinesAsync("veradigm")).ToArray(), hospitals.Site("veradigm").GroupId);
        await hospitals.Table.PauseAsync(tenant, isPaused: true, Ct);
        using var admin = hospitals.Cluster.EnterAdmin();
        using var counting = new Counting("ehrgrains.population.groups", "ehrgrains.population.members");
        var cohort = await SetAsync(tenant, "leaving", new CohortSpec { Group = group });
        var leaver = Legal(lines[^1]);
        await LookedAsync(null);
        (await MembersAsync()).ShouldContain(leaver);

        await EditAsync(lines[..^1]);
        await LookedAgainAsync();
        (await MembersAsync()).ShouldContain(leaver);
        await LookedAgainAsync();
        (await MembersAsync()).ShouldBe([.. lines[..^1].Select(Legal)], ignoreOrder: true);
        (await Should.ThrowAsync<ProblemException>(() => StatusOfAsync(tenant, leaver))).Kind.ShouldBe(ProblemKind.NotFound);
        (await StatusOfAsync(tenant, Legal(lines[0]))).Patient.Value.ShouldBe(Legal(lines[0]));

        await EditAsync(lines);
        await LookedAgainAsync();
        (await StatusOfAsync(tenant, leaver)).Patient.Value.ShouldBe(leaver);

        // A Group that tells nobody says nothing of who is in it.
        await EditAsync([]);
        await LookedAgainAsync();
        await LookedAgainAsync();
        (await MembersAsync()).ShouldBe([.. lines.Select(Legal)], ignoreOrder: true);
        await EditAsync(lines);

        async Task EditAsync(JsonNode[] members)
        {
            var member = members.Select(line => new { entity = new { reference = $"Patient/{(string)line["id"]!}" } });
            await hospitals.EditAsync("veradigm", new { kind = "update", type = "Group", id = group, set = new { member } });
        }

        async Task LookedAgainAsync()
        {
            var before = (await cohort.DescribeAsync(Ct)).RefreshedAt;
            await cohort.RefreshAsync(Ct);
            await LookedAsync(before);
        }

        async Task LookedAsync(DateTimeOffset? before) =>
            await counting.UntilAsync(() => cohort.DescribeAsync(Ct), found => found.RefreshedAt > (before ?? DateTimeOffset.MinValue) && !found.Members.ContainsKey(MemberState.Waiting));

        async Task<string[]> MembersAsync() => [.. (await cohort.MembersAsync(null, MemberState.Enrolled, 100, Ct)).Select(member => member.Patient!.Value.Value)];
    }

    [Fact]
    public async Task Everything_that_is_wrong_with_a_roster_is_said_by_line_and_without_a_value()
    {
        var tenant = await hospitals.OpenAsync("epic");
        using var admin = hospitals.Cluster.EnterAdmin();
        var cohort = await SetAsync(tenant, "wrong", new CohortSpec());
        var refused = await Should.ThrowAsync<ProblemException>(() => cohort.ImportAsync(
            [
                new RosterEntry(1, "p-SECRET", "urn:mrn", null),
                new RosterEntry(2, null, null, null),
                new RosterEntry(3, null, null, "SECRET|1"),
                new RosterEntry(4, null, null, "fine"),
                new RosterEntry(5, new string('x', 300), null, null),
            ],
            dryRun: false,
            Ct));
        refused.Problems.Select(problem => (problem.Path, problem.Code)).ShouldBe(
            [("line 1", "EHR-POP-007"), ("line 2", "EHR-POP-004"), ("line 3", "EHR-POP-005"), ("line 5", "EHR-POP-006")]);
        refused.Message.ShouldNotContain("SECRET");
        (await cohort.DescribeAsync(Ct)).Members.ShouldBeEmpty();
    }

    [Fact]
    public async Task An_export_of_a_Group_makes_copies_that_are_what_the_hospital_has()
    {
        var tenant = await hospitals.OpenAsync("meditech");
        await hospitals.Table.PauseAsync(tenant, isPaused: true, Ct);
        await FaultAsync("meditech", new { kind = "resetBody", operation = "file", times = 3 });
        using var admin = hospitals.Cluster.EnterAdmin();
        var cohort = await SetAsync(tenant, "group", new CohortSpec { Group = hospitals.Site("meditech").GroupId });

        var bulk = await ExportAsync(cohort, new BulkRequest());

        bulk.State.ShouldBe(BulkState.Complete, bulk.Problem?.Message);
        bulk.FilesRead.ShouldBe(bulk.Files);
        bulk.Types.ShouldAllBe(type => type.Fetched == type.Stored + type.Unchanged + type.NotCopied + type.Deleted + type.NotEnrolled + type.Quarantined);
        bulk.Types.ShouldAllBe(type => type.Said == null || type.Said == type.Fetched);
        foreach (var line in await LinesAsync("meditech"))
        {
            var status = await StatusOfAsync(tenant, Legal(line));
            status.Types.Select(type => type.Type).ShouldBeSubsetOf(VendorProfiles.Find("meditech")!.Sync.Types.Keys);
            var record = await hospitals.RecordAsync(tenant, status.Record!.Value);
            var truth = await TruthAsync("meditech", line);
            truth.Except(record.Keys).ShouldBeEmpty();
            status.Types.Where(type => truth.Any(key => key.StartsWith(type.Type + "/", StringComparison.Ordinal))).ShouldAllBe(type => type.IsComplete && type.Watermark == bulk.TransactionTime);
        }

        var again = await ExportAsync(cohort, new BulkRequest());
        again.State.ShouldBe(BulkState.Complete, again.Problem?.Message);
        again.Types.Sum(type => type.Stored).ShouldBe(0);
        again.Types.Sum(type => type.Unchanged).ShouldBe(bulk.Types.Sum(type => type.Stored + type.Unchanged));
    }

    [Fact]
    public async Task What_was_changed_and_deleted_since_the_last_export_comes_with_the_next_one()
    {
        var tenant = await hospitals.OpenAsync("modmed");
        await hospitals.Table.PauseAsync(tenant, isPaused: true, Ct);
        using var admin = hospitals.Cluster.EnterAdmin();
        var line = (await LinesAsync("modmed"))[0];

        // A message named the record first, so that it has another id than the patient has at the hospital.
        await hospitals.HearAsync(tenant, 1, RecordSite.Adt("A01", SyncHospitals.Number(line, "urn:oid:2.16.840.1.113883.3.9999.1"), "Alvarez", "V1"));
        var cohort = await SetAsync(tenant, "all", new CohortSpec { Group = hospitals.Site("modmed").GroupId });
        (await ExportAsync(cohort, new BulkRequest())).State.ShouldBe(BulkState.Complete);
        var record = (await StatusOfAsync(tenant, Legal(line))).Record!.Value;
        record.Value.ShouldNotBe(Legal(line));
        var condition = (await hospitals.RecordAsync(tenant, record)).Values.First(resource => (string)resource["resourceType"]! == "Condition");
        await hospitals.EditAsync(
            "modmed",
            new { kind = "update", type = "Patient", id = (string)line["id"]!, set = new { active = false } },
            new { kind = "delete", type = "Condition", id = (string)condition["id"]! });

        var bulk = await ExportAsync(cohort, new BulkRequest { Incremental = true });

        bulk.State.ShouldBe(BulkState.Complete, bulk.Problem?.Message);
        var after = await hospitals.RecordAsync(tenant, record);
        after.Keys.ShouldNotContain($"Condition/{(string)condition["id"]!}");
        ((bool)after.Values.Single(resource => (string)resource["resourceType"]! == "Patient")["active"]!).ShouldBeFalse();
        bulk.Types.Sum(type => type.Deleted).ShouldBe(1);
    }

    [Fact]
    public async Task Data_of_patients_who_are_not_enrolled_is_counted_and_left()
    {
        var tenant = await hospitals.OpenAsync("oracle-health");
        await hospitals.Table.PauseAsync(tenant, isPaused: true, Ct);
        var lines = await LinesAsync("oracle-health");
        using var admin = hospitals.Cluster.EnterAdmin();
        var cohort = await SetAsync(tenant, "listed", new CohortSpec());
        await cohort.ImportAsync([.. lines.Take(2).Select((line, i) => new RosterEntry(i + 1, (string)line["id"]!, null, null))], dryRun: false, Ct);
        using var counting = new Counting("ehrgrains.population.members");
        await counting.UntilAsync(() => cohort.DescribeAsync(Ct), found => found.Members.GetValueOrDefault(MemberState.Enrolled) == 2);
        await hospitals.Table.LeaveAsync(tenant, [PatientId.Parse(Legal(lines[1]), null)], Ct);

        var bulk = await ExportAsync(cohort, new BulkRequest { Level = ExportLevel.Patient, Types = ["Patient", "Condition"] });

        bulk.State.ShouldBe(BulkState.Complete, bulk.Problem?.Message);
        var patients = bulk.Types.Single(type => type.Type == "Patient");
        (patients.Fetched, patients.Stored, patients.NotEnrolled).ShouldBe((2, 1, 1));
        (await StatusOfAsync(tenant, Legal(lines[0]))).Record.ShouldNotBeNull();
    }

    [Fact]
    public async Task What_the_hospital_did_not_export_makes_an_export_incomplete_and_one_a_day_is_the_rule()
    {
        var tenant = await hospitals.OpenAsync("epic");
        using var admin = hospitals.Cluster.EnterAdmin();
        var cohort = await SetAsync(tenant, "daily", new CohortSpec { Group = hospitals.Site("epic").GroupId });

        var bulk = await ExportAsync(cohort, new BulkRequest { Types = ["Patient", "Condition"] });

        bulk.State.ShouldBe(BulkState.Incomplete);
        bulk.Problem!.Code.ShouldBe("EHR-BLK-026");
        (await RefusedAsync(() => cohort.StartBulkAsync(new BulkRequest(), Ct))).ShouldBe(["EHR-POP-025"]);
        (await RefusedAsync(() => cohort.StartBulkAsync(new BulkRequest { Level = ExportLevel.System, Types = ["Pizza"], Incremental = true }, Ct)))
            .ShouldBe(["EHR-POP-020", "EHR-POP-022", "EHR-POP-024"]);

        // Others of these tests ask who is enrolled at this hospital.
        await cohort.RemoveAsync(Ct);
    }

    [Fact]
    public async Task An_export_that_is_cancelled_ends_here_and_at_the_hospital()
    {
        var tenant = await hospitals.OpenAsync("athenahealth");
        await FaultAsync("athenahealth", new { kind = "unavailable", operation = "file", retryAfter = "600" });
        using var admin = hospitals.Cluster.EnterAdmin();
        var cohort = await SetAsync(tenant, "stopped", new CohortSpec { Group = hospitals.Site("athenahealth").GroupId });
        await cohort.StartBulkAsync(new BulkRequest { Types = ["Patient"] }, Ct);
        (await RefusedAsync(() => cohort.StartBulkAsync(new BulkRequest(), Ct))).ShouldBe(["EHR-POP-026"]);
        (await RefusedAsync(() => cohort.RemoveAsync(Ct))).ShouldBe(["EHR-POP-012"]);

        (await cohort.CancelBulkAsync(Ct)).State.ShouldBe(BulkState.Cancelled);

        (await RefusedAsync(() => cohort.CancelBulkAsync(Ct))).ShouldBe(["EHR-POP-028"]);
        await cohort.RemoveAsync(Ct);
    }

    private async Task<IPopulationSyncGrain> SetAsync(TenantId tenant, string cohort, CohortSpec spec)
    {
        var grain = hospitals.Cluster.Grains().GetGrain<IPopulationSyncGrain>(GrainKeys.Cohort(tenant, CohortId.Parse(cohort, null)));
        (await grain.SetAsync(spec, Ct)).Spec.ShouldBe(spec);
        return grain;
    }

    [Fact]
    public async Task What_is_asked_for_while_an_export_is_read_is_not_answered_by_what_it_was_made_of()
    {
        var tenant = await hospitals.OpenAsync("meditech");
        var patient = PatientId.Parse(Legal((await LinesAsync("meditech"))[0]), null);
        await hospitals.Table.PauseAsync(tenant, isPaused: true, Ct);
        await hospitals.Table.EnrolAsync(tenant, [patient], Ct);
        using var admin = hospitals.Cluster.EnterAdmin();
        var cohort = await SetAsync(tenant, "asked", new CohortSpec { Group = hospitals.Site("meditech").GroupId });
        using var counting = new Counting("ehrgrains.bulk.delays", "ehrgrains.bulk.exports");
        await hospitals.MisbehaveAsync("meditech", new { kind = "unavailable", operation = "file", retryAfter = "0" });
        await cohort.StartBulkAsync(new BulkRequest(), Ct);
        await counting.UntilAsync(() => cohort.BulkStatusAsync(Ct), status => status!.Problem is not null);

        await hospitals.Table.RefreshAsync(tenant, [patient], isWhole: true, Ct);
        await hospitals.MisbehaveAsync("meditech");

        var ended = (await counting.UntilAsync(() => cohort.BulkStatusAsync(Ct), status => status!.EndedAt is not null))!;
        ended.State.ShouldBe(BulkState.Complete, ended.Problem?.Message);
        var stored = (await hospitals.Table.LoadAsync(tenant, patient, Ct))!;
        stored.Cursors.Where(cursor => cursor.Status.Watermark == ended.TransactionTime).ShouldNotBeEmpty();
        stored.Cursors.Where(cursor => cursor.Status.Watermark == ended.TransactionTime).ShouldAllBe(cursor => cursor.Status.FinishedAt < stored.Patient.DueAt);
    }

    private static async Task<BulkStatus> ExportAsync(IPopulationSyncGrain cohort, BulkRequest request)
    {
        using var counting = new Counting("ehrgrains.bulk.exports");
        var started = await cohort.StartBulkAsync(request, Ct);
        started.State.ShouldBe(BulkState.Requested);
        return (await counting.UntilAsync(() => cohort.BulkStatusAsync(Ct), status => status!.Job == started.Job && status.EndedAt is not null))!;
    }

    private static async Task<string[]> RefusedAsync(Func<Task> command) =>
        [.. (await Should.ThrowAsync<ProblemException>(command)).Problems.Select(problem => problem.Code)];

    private Task<SyncStatus> StatusOfAsync(TenantId tenant, string patient) =>
        hospitals.Cluster.Grains().GetGrain<IPatientSyncCursorGrain>(GrainKeys.Patient(tenant, PatientId.Parse(patient, null))).StatusAsync(Ct);

    private async Task<IReadOnlyList<JsonNode>> LinesAsync(string vendor) =>
        [.. (await Http.GetFromJsonAsync<JsonArray>($"{hospitals.Site(vendor).AdminUrl}/patients", Ct))!.Select(line => line!)];

    /// <summary>What an export of the patient has of the types that are copied.</summary>
    private async Task<string[]> TruthAsync(string vendor, JsonNode line) =>
    [
        .. (await hospitals.TruthAsync(vendor, (string)line["id"]!))["resources"]!.AsArray()
            .Where(resource => (bool)resource!["found"]! && VendorProfiles.Find(vendor)!.Sync.Types.TryGetValue((string)resource["type"]!, out var type)
                && type.Strategy != SyncStrategy.ByReference && ((string)resource["type"]! == "Patient" || !(bool)line["confidential"]!))
            .Select(resource => $"{resource!["type"]}/{ResourceIds.ToLegal((string)resource["id"]!, out _)}"),
    ];


    private async Task FaultAsync(string vendor, object fault)
    {
        using var response = await Http.PutAsJsonAsync($"{hospitals.Site(vendor).AdminUrl}/faults", new { faults = new[] { fault } }, Ct);
        response.IsSuccessStatusCode.ShouldBeTrue(await response.Content.ReadAsStringAsync(Ct));
    }

    private static string Legal(JsonNode line) => ResourceIds.ToLegal((string)line["id"]!, out _);
}

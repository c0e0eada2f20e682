using EhrGrains.Connect.Bulk;
using EhrGrains.Connect.Tests.Peers;
using EhrGrains.Contracts.Populations;

namespace EhrGrains.Connect.Tests.Bulk;

public sealed class BulkClientTests
{
    private static readonly BulkExport OfGroup = new()
    {
        Level = ExportLevel.Group,
        Group = "g/1",
        Types = ["Patient", "Observation"],
        Since = new DateTimeOffset(2026, 11, 23, 12, 0, 0, 500, TimeSpan.FromHours(1)),
    };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_export_begins_with_one_request_and_ends_in_an_address_to_ask_at()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(202, ("Content-Location", "/fhir/r4/jobs/7")));
        using var rig = new Rig();

        var kickoff = await rig.Bulk.StartAsync(Site(peer), OfGroup, Ct);

        kickoff.ShouldBe(new BulkKickoff.Started(peer.Url + "/fhir/r4/jobs/7"));
        var request = peer.Requests.Single();
        request.Method.ShouldBe("GET");
        Uri.UnescapeDataString(request.Target).ShouldBe("/fhir/r4/Group/g/1/$export?_type=Patient,Observation&_since=2026-11-23T11:00:00.500Z");
        request.Headers["Prefer"].ShouldBe("respond-async");
        request.Headers["Accept"].ShouldBe("application/fhir+json");
        request.Headers["Authorization"].ShouldBe("Bearer token-1");
    }

    [Fact]
    public async Task Patients_are_listed_in_a_body_where_the_vendor_wants_it_so()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(202, ("Content-Location", "jobs/7")));
        using var rig = new Rig();

        var kickoff = await rig.Bulk.StartAsync(
            Site(peer), new BulkExport { Level = ExportLevel.Patient, Patients = ["p-1"], Types = ["Condition"] }, Ct);

        kickoff.ShouldBe(new BulkKickoff.Started(peer.Url + "/fhir/r4/jobs/7"));
        var request = peer.Requests.Single();
        (request.Method, request.Target).ShouldBe(("POST", "/fhir/r4/Patient/$export"));
        request.Body.ShouldBe(
            """{"resourceType":"Parameters","parameter":[{"name":"_type","valueString":"Condition"},{"name":"patient","valueReference":{"reference":"Patient/p-1"}}]}""");
    }

    [Theory]
    [InlineData("https://elsewhere.example/jobs/7")]
    [InlineData("//elsewhere.example/jobs/7")]
    public async Task An_address_on_another_server_is_not_asked_at(string url)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(202, ("Content-Location", url)));
        using var rig = new Rig();
        (await rig.Bulk.StartAsync(Site(peer), OfGroup, Ct)).ShouldBeOfType<BulkKickoff.Refused>().Problem.Code.ShouldBe("EHR-BLK-001");
    }

    [Fact]
    public async Task The_request_for_an_export_is_not_repeated_by_itself()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(503, ("Retry-After", "1")));
        using var rig = new Rig();

        var kickoff = await rig.Bulk.StartAsync(Site(peer), OfGroup, Ct);

        kickoff.ShouldBeOfType<BulkKickoff.Later>().RetryAfter.ShouldBe(TimeSpan.FromSeconds(1));
        peer.Requests.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_refusal_is_told_by_the_vendors_code_and_not_by_its_text()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(
            """{"resourceType":"OperationOutcome","issue":[{"severity":"fatal","code":"business-rule","diagnostics":"Mrs Doe"}]}""", 400));
        using var rig = new Rig();
        var problem = (await rig.Bulk.StartAsync(Site(peer), OfGroup, Ct)).ShouldBeOfType<BulkKickoff.Refused>().Problem;
        problem.Code.ShouldBe("EHR-BLK-004");
        problem.Message.ShouldNotBeEmpty();
        problem.Message.ShouldNotContain("Doe");
    }

    [Theory]
    [InlineData("40%", 40)]
    [InlineData("about 99.5 % done, 12.5% of it checked", null)]
    [InlineData("70.9% of 12 files", 70)]
    [InlineData("in progress", null)]
    public async Task Progress_is_a_number_and_a_time_to_come_back(string said, int? percent)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(202, ("X-Progress", said), ("Retry-After", "90")));
        using var rig = new Rig();
        (await AskAsync(rig, peer)).ShouldBe(new BulkProgress.Preparing(percent, TimeSpan.FromSeconds(90)));
    }

    [Fact]
    public async Task A_manifest_names_its_files()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(
            """
            {"transactionTime":"2026-11-23T12:00:00Z","request":"x","requiresAccessToken":false,"extension":[],
             "output":[{"type":"Patient","url":"https://files.example/1","count":3},{"url":"/f/2"}],
             "deleted":[{"type":"Bundle","url":"https://files.example/3"}],"error":[{"type":"OperationOutcome","url":"https://files.example/4"}]}
            """,
            contentType: "application/json"));
        using var rig = new Rig();

        var manifest = (await AskAsync(rig, peer)).ShouldBeOfType<BulkProgress.Done>().Manifest;

        manifest.TransactionTime.ShouldBe(new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero));
        manifest.RequiresAccessToken.ShouldBeFalse();
        manifest.Files.ShouldBe(
        [
            new BulkFile(BulkFileKind.Output, "Patient", "https://files.example/1", 3),
            new BulkFile(BulkFileKind.Output, null, peer.Url + "/f/2", null),
            new BulkFile(BulkFileKind.Deleted, "Bundle", "https://files.example/3", null),
            new BulkFile(BulkFileKind.Error, "OperationOutcome", "https://files.example/4", null),
        ]);
        peer.Requests.Single().Headers["Accept"].ShouldBe("application/json");
    }

    [Theory]
    [InlineData("<html>")]
    [InlineData("{}")]
    [InlineData("""{"output":[{"type":"Patient","url":"file:///etc/passwd"}]}""")]
    [InlineData("""{"output":[{"type":"Patient"}]}""")]
    [InlineData("""{"output":{}}""")]
    public async Task A_manifest_without_files_to_fetch_is_none(string body)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(body, contentType: "application/json"));
        using var rig = new Rig();
        (await AskAsync(rig, peer)).ShouldBeOfType<BulkProgress.Failed>().Problem.Code.ShouldBe("EHR-BLK-002");
    }

    [Fact]
    public async Task What_the_EHR_calls_transient_is_asked_for_again_and_what_failed_is_not()
    {
        const string Outcome = """{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"CODE"}]}""";
        await using var peer = await Peer.StartAsync(
            Peer.Says(Outcome.Replace("CODE", "transient", StringComparison.Ordinal), 500),
            Peer.Says(500),
            Peer.Says(Outcome.Replace("CODE", "exception", StringComparison.Ordinal), 500),
            Peer.Says(404));
        using var rig = new Rig();
        (await AskAsync(rig, peer)).ShouldBeOfType<BulkProgress.Later>();
        (await AskAsync(rig, peer)).ShouldBeOfType<BulkProgress.Later>();
        (await AskAsync(rig, peer)).ShouldBeOfType<BulkProgress.Failed>();
        (await AskAsync(rig, peer)).ShouldBeOfType<BulkProgress.Gone>();
    }

    [Fact]
    public async Task An_export_that_is_deleted_is_gone_whether_it_was_there_or_not()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(202), Peer.Says(404), Peer.Says(500));
        using var rig = new Rig();
        var site = Site(peer);
        (await rig.Bulk.DeleteAsync(site, peer.Url + "/jobs/7", Ct)).ShouldBeTrue();
        (await rig.Bulk.DeleteAsync(site, peer.Url + "/jobs/7", Ct)).ShouldBeTrue();
        (await rig.Bulk.DeleteAsync(site, peer.Url + "/jobs/7", Ct)).ShouldBeFalse();
        peer.Requests.ShouldAllBe(static r => r.Method == "DELETE");
    }

    [Fact]
    public async Task An_address_that_was_stored_for_another_server_gets_no_token()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(202));
        await using var other = await Peer.StartAsync(Peer.Says(202));
        using var rig = new Rig();
        (await rig.Bulk.AskAsync(Site(peer), other.Url + "/jobs/7", Ct)).ShouldBeOfType<BulkProgress.Failed>().Problem.Code.ShouldBe("EHR-CON-001");
        other.Requests.ShouldBeEmpty();
    }

    internal static BulkSite Site(Peer peer) =>
        new(Rig.TenantAt(Rig.To(peer)), TestProfile.Epic, new Access(Rig.To(peer)).Hands);

    private static Task<BulkProgress> AskAsync(Rig rig, Peer peer) => rig.Bulk.AskAsync(Site(peer), peer.Url + "/fhir/r4/jobs/7", Ct);
}

using System.Text.Json;
using EhrGrains.Cli.Tests.CommandLine;

namespace EhrGrains.Cli.Tests;

/// <summary>The program as a process, against a silo that is another.</summary>
public sealed class OnboardingTests(RunningCluster cluster) : IClassFixture<RunningCluster>
{
    private const string Search = "Patient?family=Vexmoorian&given=Grace&birthdate=1990-08-21";

    [Fact]
    public async Task Apply_makes_tenants_what_their_files_state_and_then_changes_nothing()
    {
        var file = await WriteTenantAsync("applied", "st-mary", text => text);

        using var planned = await JsonAsync("apply", "-f", file, "--dry-run");
        planned.RootElement[0].GetProperty("created").GetBoolean().ShouldBeTrue();
        await cluster.RunAsync(5, "tenant", "show", "applied");

        using var made = await JsonAsync("apply", "-f", file);
        made.RootElement[0].GetProperty("created").GetBoolean().ShouldBeTrue();
        using var again = await JsonAsync("apply", "-f", file);
        again.RootElement[0].GetProperty("created").GetBoolean().ShouldBeFalse();
        again.RootElement[0].GetProperty("differences").GetArrayLength().ShouldBe(0);
        again.RootElement[0].GetProperty("version").GetInt64().ShouldBe(made.RootElement[0].GetProperty("version").GetInt64());

        await WriteTenantAsync("applied", "st-mary", text => text.Replace("requests: 20", "requests: 15", StringComparison.Ordinal));
        using var changes = await JsonAsync("apply", "-f", file, "--dry-run");
        var difference = changes.RootElement[0].GetProperty("differences").EnumerateArray().ShouldHaveSingleItem();
        difference.GetProperty("path").GetString().ShouldBe("budget.requests");
        difference.GetProperty("before").GetString().ShouldBe("20");
        difference.GetProperty("after").GetString().ShouldBe("15");
        using var shown = await JsonAsync("tenant", "show", "applied");
        shown.RootElement.GetProperty("spec").GetProperty("budget").GetProperty("requests").GetInt32().ShouldBe(20);
    }

    [Fact]
    public async Task An_error_that_only_the_cluster_can_see_is_placed_in_its_file_and_nothing_is_applied()
    {
        await WriteTenantAsync("checked-a", "st-mary", text => text, "checked");
        await WriteTenantAsync("checked-b", "st-mary", text => text.Replace("vendor: epic", "vendor: nextgen", StringComparison.Ordinal), "checked");

        var refused = await cluster.RunAsync(2, "apply", "-f", "checked");

        refused.Error.ShouldContain("checked/checked-b.yaml:7: connection.vendor: ");
        await cluster.RunAsync(5, "tenant", "show", "checked-a");
    }

    [Fact]
    public async Task A_hospital_is_onboarded_and_an_app_queries_it()
    {
        await cluster.RunAsync(0, "apply", "-f", "deploy/hospitals/st-mary.yaml");
        (await cluster.RunAsync(6, "tenant", "promote", "st-mary", "--to", "live")).Error.ShouldContain("credential");
        using var credential = await JsonAsync("credential", "add", "st-mary", "--activate");
        credential.RootElement.GetProperty("state").GetString().ShouldBe("active");
        using var live = await JsonAsync("tenant", "promote", "st-mary", "--to", "live", "--reason", "test");
        live.RootElement.GetProperty("lifecycle").GetString().ShouldBe("live");

        await cluster.RunAsync(0, "app", "add", "reader", "--grant", "st-mary=system/Patient.rs", "--out", "reader.json");
        if (!OperatingSystem.IsWindows())
        {
            File.GetUnixFileMode(Path.Combine(cluster.Directory, "reader.json")).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        (await cluster.RunAsync(0, "query", "st-mary", Search, "--context", "reader.json")).Output.ShouldContain("Vexmoorian");
        using var bundle = await JsonAsync("query", "st-mary", Search, "--context", "reader.json");
        bundle.RootElement.GetProperty("resourceType").GetString().ShouldBe("Bundle");
        var patient = bundle.RootElement.GetProperty("entry")[0].GetProperty("resource");
        patient.GetProperty("meta").GetProperty("source").GetString().ShouldBe("urn:ehrgrains:tenant:st-mary");
        using var read = await JsonAsync("query", "st-mary", $"Patient/{patient.GetProperty("id").GetString()}", "--context", "reader.json");
        read.RootElement.GetProperty("birthDate").GetString().ShouldBe("1990-08-21");
        (await cluster.RunAsync(0, "query", "--federated", Search, "--context", "reader.json")).Output.ShouldContain("st-mary");

        (await cluster.RunAsync(2, "query", "st-mary", $"{Search}&bogus=1", "--strict", "--context", "reader.json")).Error.ShouldContain("bogus");
        await cluster.RunAsync(5, "query", "st-mary", "Patient/no-such-patient", "--context", "reader.json");
        (await cluster.RunAsync(4, "query", "st-mary", "Observation?patient=1", "--context", "reader.json")).Error.ShouldNotBeEmpty();
        await cluster.RunAsync(4, "tenant", "list", "--context", "reader.json");
        await cluster.RunAsync(0, "audit", "verify", "st-mary");
        (await cluster.RunAsync(0, "audit", "who", "st-mary", "--patient", patient.GetProperty("id").GetString()!)).Output.ShouldContain("reader");
        (await cluster.RunAsync(0, "token", "show", "st-mary")).Output.ShouldContain("system/Patient.rs");
        (await cluster.RunAsync(0, "budget", "show", "st-mary")).Output.ShouldContain("20 requests per 1 s");

        using var receipt = await JsonAsync("credential", "rotate", "st-mary");
        receipt.RootElement.GetProperty("succeeded").GetBoolean().ShouldBeTrue();
        using var credentials = await JsonAsync("credential", "list", "st-mary");
        credentials.RootElement.EnumerateArray().Select(c => c.GetProperty("state").GetString()).ShouldBe(["active", "retiring"]);
        await cluster.RunAsync(0, "query", "st-mary", Search, "--context", "reader.json");
    }

    [Fact]
    public async Task All_pages_of_a_search_are_followed_one_Bundle_a_line()
    {
        await OnboardAsync("cedar-clinic", null);
        await cluster.RunAsync(
            0, "app", "add", "pager", "--grant", "cedar-clinic=system/Patient.rs system/Observation.rs", "--out", "pager.json");
        var query = $"Observation?patient={cluster.Sites.Single(site => site.Tenant == "cedar-clinic").LongChartPatientId}&category=laboratory&_count=20";

        var pages = await cluster.RunAsync(0, "query", "cedar-clinic", query, "--all-pages", "-o", "json", "--context", "pager.json");

        var bundles = pages.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line)).ToArray();
        bundles.Length.ShouldBeGreaterThan(4);
        var ids = bundles.SelectMany(bundle => bundle.RootElement.GetProperty("entry").EnumerateArray())
            .Select(entry => entry.GetProperty("resource").GetProperty("id").GetString()).ToArray();
        ids.Length.ShouldBeGreaterThan(100);
        ids.Distinct().Count().ShouldBe(ids.Length);
        Array.ForEach(bundles, bundle => bundle.Dispose());
        (await cluster.RunAsync(0, "query", "cedar-clinic", query, "--context", "pager.json")).Error.ShouldContain("--all-pages");
    }

    [Fact]
    public async Task A_client_secret_is_read_from_a_file_or_standard_input_and_appears_nowhere()
    {
        const string Wrong = "Marked-wrong-secret-4711";
        var right = cluster.Sites.Single(site => site.Tenant == "lakeside").ClientSecret!;
        await cluster.RunAsync(0, "apply", "-f", "deploy/hospitals/lakeside.yaml");
        await File.WriteAllTextAsync(Path.Combine(cluster.Directory, "wrong.txt"), Wrong + "\n", TestContext.Current.CancellationToken);

        var refused = await cluster.RunAsync(3, "credential", "add", "lakeside", "--secret-file", "wrong.txt", "--activate");
        var taken = await cluster.RunAsync(0, right + "\n", ["credential", "add", "lakeside", "--activate", "-o", "json"]);
        var failed = await cluster.RunAsync(3, "credential", "rotate", "lakeside", "--secret-file", "wrong.txt", "-o", "json");
        var empty = await cluster.RunAsync(2, "", ["credential", "add", "lakeside"]);
        var needless = await cluster.RunAsync(2, "credential", "add", "lakeside", "--method", "private_key_jwt_es384", "--secret-file", "wrong.txt");

        taken.Output.ShouldContain("\"state\": \"active\"");
        failed.Output.ShouldContain("\"succeeded\": false");
        foreach (var said in new[] { refused, taken, failed, empty, needless }.SelectMany(result => new[] { result.Output, result.Error }).Append(cluster.SiloLog))
        {
            said.ShouldNotContain(Wrong);
            said.ShouldNotContain(right);
        }
    }

    [Fact]
    public async Task Add_refuses_to_overwrite_what_exists()
    {
        string[] add =
        [
            "tenant", "add", "by-hand", "--name", "By hand", "--vendor", "epic", "--base-url", "https://fhir.example.org/R4", "--client-id", "x",
            "--time-zone", "America/Chicago",
        ];
        await cluster.RunAsync(0, [.. add, "--dry-run"]);
        await cluster.RunAsync(5, "tenant", "show", "by-hand");
        await cluster.RunAsync(0, add);
        await cluster.RunAsync(0, add);
        (await cluster.RunAsync(6, [.. add, "--requests", "99"])).Error.ShouldContain("EHR-CLI-060");

        await cluster.RunAsync(0, "app", "add", "twice", "--out", "twice.json");
        (await cluster.RunAsync(6, "app", "add", "twice", "--out", "twice.json")).Error.ShouldContain("EHR-CLI-004");
        (await cluster.RunAsync(6, "app", "add", "twice", "--out", "other.json")).Error.ShouldContain("EHR-CLI-080");
        await cluster.RunAsync(0, "app", "add", "twice", "--replace", "--client-secret", "--out", "other.json");
        await cluster.RunAsync(0, "app", "token", "--context", "other.json");
        await cluster.RunAsync(4, "app", "token", "--context", "twice.json");
        await cluster.RunAsync(0, "app", "disable", "twice");
        await cluster.RunAsync(4, "app", "token", "--context", "other.json");
        await cluster.RunAsync(5, "app", "show", "nobody");
    }

    [Fact]
    public async Task Grants_are_given_shown_and_taken_away()
    {
        await WriteTenantAsync("granted", "st-mary", text => text);
        await cluster.RunAsync(0, "apply", "-f", "granted.yaml");

        await cluster.RunAsync(2, "grant", "granted", "some-app", "system/Patient.rs");
        await cluster.RunAsync(0, "app", "add", "some-app", "--out", "some-app.json");
        (await cluster.RunAsync(0, "grant", "granted", "some-app", "system/Patient.rs", "system/Observation.r")).Output.ShouldContain("some-app");
        await cluster.RunAsync(2, "grant", "granted", "some-app", "patient/*.read");
        (await cluster.RunAsync(0, "revoke", "granted", "some-app")).Output.ShouldNotContain("some-app");
        (await cluster.RunAsync(0, "tenant", "suspend", "granted")).Output.ShouldContain("suspended");
        (await cluster.RunAsync(0, "tenant", "offboard", "granted", "--confirm", "granted")).Output.ShouldContain("offboarded");
        await cluster.RunAsync(6, "tenant", "promote", "granted", "--to", "draft");
        (await cluster.RunAsync(0, "tenant", "list")).Output.ShouldContain("granted");
    }

    [Fact]
    public async Task Doctor_finds_nothing_wrong_and_a_context_that_others_can_read()
    {
        (await cluster.RunAsync(0, "doctor")).Output.ShouldContain("takes Orleans clients");

        var open = Path.Combine(cluster.Directory, "open.json");
        File.Copy(Path.Combine(cluster.Directory, "ehrgrains-data", "operator.json"), open);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(open, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
            (await cluster.RunAsync(3, "doctor", "--context", "open.json")).Output.ShouldContain("chmod 600");
        }
    }

    [Fact]
    public async Task A_site_is_tried_and_the_report_is_a_table_JSON_and_a_page()
    {
        await OnboardAsync("cedar-clinic", null);
        var patient = cluster.Sites.Single(site => site.Tenant == "cedar-clinic").LongChartPatientId!;
        var file = Path.Combine(cluster.Directory, "deploy", "hospitals", "cedar-clinic.yaml");
        var text = await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(
            Path.Combine(cluster.Directory, "named.yaml"),
            text.Replace("displayName: Cedar Family Clinic", "displayName: <script>alert(1)</script> & [red]Sons", StringComparison.Ordinal),
            TestContext.Current.CancellationToken);
        await cluster.RunAsync(0, "apply", "-f", "named.yaml");

        var tried = await cluster.RunAsync(
            0, "preflight", "cedar-clinic", "--patient", patient, "--contract", "deploy/contracts/chronic-care.yaml", "--html", "report.html", "-o", "json");
        var table = await cluster.RunAsync(3, "preflight", "cedar-clinic", "--type", "Patient", "--jwks-url", "http://127.0.0.1:1/none");

        using var report = JsonDocument.Parse(tried.Output);
        var checks = report.RootElement.GetProperty("checks").EnumerateArray()
            .Select(check => (Code: Text(check, "code"), Name: Text(check, "name"), Target: Text(check, "target"), State: Text(check, "state"))).ToArray();
        checks.Select(check => check.Code).Distinct().Count().ShouldBe(86);
        checks.ShouldBe(checks.OrderBy(check => check.Code, StringComparer.Ordinal));
        checks.Single(check => check.Name == "credential.reachable").State.ShouldBe("passed");
        var searches = checks.Where(check => check.Name == "search.answers").ToDictionary(check => check.Target!, check => check.State);
        (searches["Observation?category=laboratory"], searches["Condition?category=problem-list-item"]).ShouldBe(("passed", "passed"));
        (searches["Patient?identifier="], searches["Practitioner"]).ShouldBe(("skipped", "skipped"));
        tried.Error.ShouldContain("Sends at most ");
        tried.Error.ShouldMatch(@"passed +token\.request");
        tried.Output.ShouldNotContain($"\"{patient}\"");

        table.Output.ShouldContain("<script>alert(1)</script> & [red]Sons");
        table.Output.ShouldMatch(@"EHR-PRE-505 +credential\.reachable +failed");
        table.Output.ShouldMatch(@"EHR-PRE-601 +search\.answers +skipped +It needs a test patient");
        var page = await File.ReadAllTextAsync(Path.Combine(cluster.Directory, "report.html"), TestContext.Current.CancellationToken);
        page.ShouldContain("<h1>Preflight of &lt;script&gt;alert(1)&lt;/script&gt; &amp; [red]Sons</h1>");
        page.ShouldContain("Holds no patient data.");

        (await cluster.RunAsync(2, "preflight", "cedar-clinic", "--type", "Nonsense", "--requests", "1")).Error.ShouldSatisfyAllConditions(
            error => error.ShouldContain("EHR-PRE-003"), error => error.ShouldContain("EHR-PRE-004"));

        static string? Text(JsonElement check, string name) => check.TryGetProperty(name, out var value) ? value.GetString() : null;
    }

    // Once, whichever test comes first.
    private async Task OnboardAsync(string tenant, string? secret)
    {
        if (!cluster.Onboarded.Add(tenant))
        {
            return;
        }

        await cluster.RunAsync(0, "apply", "-f", $"deploy/hospitals/{tenant}.yaml");
        await cluster.RunAsync(0, secret, ["credential", "add", tenant, "--activate"]);
        await cluster.RunAsync(0, "tenant", "promote", tenant, "--to", "live");
    }

    private async Task<JsonDocument> JsonAsync(params string[] arguments) =>
        JsonDocument.Parse((await cluster.RunAsync(0, [.. arguments, "-o", "json"])).Output);

    // A tenant file like one of the repository's, for a tenant of its own.
    private async Task<string> WriteTenantAsync(string tenant, string like, Func<string, string> edit, string folder = ".")
    {
        var text = await File.ReadAllTextAsync(Path.Combine(cluster.Directory, "deploy", "hospitals", $"{like}.yaml"), TestContext.Current.CancellationToken);
        Directory.CreateDirectory(Path.Combine(cluster.Directory, folder));
        var file = Path.Combine(folder, $"{tenant}.yaml");

        // Its feed has to be known from that of the tenant that it is like.
        var own = text.Replace($"tenant: {like}", $"tenant: {tenant}", StringComparison.Ordinal)
            .Replace("sendingFacility: ", $"sendingFacility: {tenant}-", StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(cluster.Directory, file), edit(own), TestContext.Current.CancellationToken);
        return file;
    }
}

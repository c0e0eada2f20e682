using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using EhrGrains.Contracts.Feeds;
using EhrGrains.EndToEnd.Tests.Harness;
using EhrGrains.Testing;
using Hl7.Fhir.Model;
using Hl7.Fhir.Rest;
using Task = System.Threading.Tasks.Task;

namespace EhrGrains.EndToEnd.Tests;

/// <summary>
/// A patient's record that HL7 v2 messages made, read by the FHIR clients that applications use: they page through $everything and
/// through searches to the end, and find each resource once.
/// </summary>
[Collection(nameof(ClusterCollection))]
public sealed class RecordClientTests(ClusterFixture fixture)
{
    private const int Reports = 12;
    private const int ResultsOfEach = 10;

    [Fact]
    public async Task Firelys_client_pages_through_everything_and_searches_of_the_record()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var cluster = fixture.Cluster;
        var (tenant, patient) = await FeedAsync(cluster, "athenahealth", "FIRELY", cancellationToken);
        using var http = Client(await cluster.App.TokenAsync(cancellationToken));
        using var client = new FhirClient(
            new Uri(cluster.Base(0), $"/fhir/{tenant}"), http, new FhirClientSettings { PreferredFormat = ResourceFormat.Json });

        var all = await PagesAsync(
            client, (Bundle?)await client.InstanceOperationAsync(new Uri($"Patient/{patient}", UriKind.Relative), "everything", new Parameters().Add("_count", new Integer(17)), useGet: true, ct: cancellationToken));
        all.ShouldBeUnique();
        all.Count(key => key.StartsWith("Observation/", StringComparison.Ordinal)).ShouldBe(Reports * ResultsOfEach);
        all.ShouldContain($"Patient/{patient}");

        foreach (var sort in new[] { null, "-date", "code,-date" })
        {
            var search = new SearchParams().Where($"patient={patient}").LimitTo(11);
            if (sort is not null)
            {
                search.Add("_sort", sort);
            }

            var found = await PagesAsync(client, await client.SearchAsync<Observation>(search, cancellationToken));
            found.ShouldBeUnique();
            found.ShouldBe(all.Where(key => key.StartsWith("Observation/", StringComparison.Ordinal)), ignoreOrder: true);
        }

        var first = await client.ReadAsync<Patient>($"Patient/{patient}", ct: cancellationToken);
        var version = await client.ReadAsync<Patient>($"Patient/{patient}/_history/{first!.Meta!.VersionId}", ct: cancellationToken);
        version.ShouldNotBeNull().IsExactly(first).ShouldBeTrue();
        (await client.HistoryAsync($"Patient/{patient}", ct: cancellationToken)).ShouldNotBeNull().Entry.ShouldNotBeEmpty();

        using var again = new HttpRequestMessage(HttpMethod.Get, new Uri(cluster.Base(0), $"/fhir/{tenant}/Patient/{patient}"));
        again.Headers.IfNoneMatch.ParseAdd($"W/\"{first.Meta.VersionId}\"");
        using var unchanged = await http.SendAsync(again, cancellationToken);
        unchanged.StatusCode.ShouldBe(HttpStatusCode.NotModified);
        unchanged.Headers.Age.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_JavaScript_client_pages_through_everything_and_searches_of_the_record()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var cluster = fixture.Cluster;
        var (tenant, patient) = await FeedAsync(cluster, "athenahealth", "SCRIPT", cancellationToken);
        var folder = Path.Combine(SharedData.RepositoryRoot(), "tests", "EhrGrains.EndToEnd.Tests", "node");
        (await RunAsync("npm", ["ci", "--no-audit", "--no-fund", "--silent"], folder, cancellationToken)).ExitCode.ShouldBe(0);

        var (exitCode, output) = await RunAsync(
            "node",
            ["record.mjs", new Uri(cluster.Base(1), $"/fhir/{tenant}").ToString(), await cluster.App.TokenAsync(cancellationToken), patient],
            folder,
            cancellationToken);

        exitCode.ShouldBe(0, output);
        var seen = JsonDocument.Parse(output.Trim().Split('\n')[^1]).RootElement;
        seen.GetProperty("observations").GetInt32().ShouldBe(Reports * ResultsOfEach);
        seen.GetProperty("pages").GetInt32().ShouldBeGreaterThan(5);
    }

    private static async Task<List<string>> PagesAsync(FhirClient client, Bundle? page)
    {
        var keys = new List<string>();
        for (var pages = 0; page is not null; page = await client.ContinueAsync(page, ct: TestContext.Current.CancellationToken))
        {
            (++pages).ShouldBeLessThan(100);
            page.Total.ShouldNotBeNull();
            keys.AddRange(page.Entry.Select(entry => $"{entry.Resource!.TypeName}/{entry.Resource.Id}"));
        }

        return keys;
    }

    // The hospital's engine sends an admission and results; the record is there when all of them can be found.
    private static async Task<(string Tenant, string Patient)> FeedAsync(Cluster cluster, string vendor, string sender, CancellationToken cancellationToken)
    {
        var site = cluster.Site(vendor);
        var feed = new FeedSpec { Feed = "record", DisplayName = "All messages", Inbound = new InboundFeedSpec { Match = new FeedMatch { SendingFacility = "RECORD" } } };
        await cluster.TenantGrain(site.Tenant).RegisterAsync(Cluster.SpecOf(site) with { Feeds = [feed] }, dryRun: false, cancellationToken);
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, cluster.MllpPort(0), cancellationToken);
        var stream = connection.GetStream();
        foreach (var message in Messages(sender))
        {
            await SendAsync(stream, message, cancellationToken);
        }

        using var http = Client(await cluster.App.TokenAsync(cancellationToken));
        using var again = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        while (await again.WaitForNextTickAsync(cancellationToken))
        {
            var patients = await AskAsync($"Patient?identifier={sender}-1&_elements=id");
            if (patients.TryGetProperty("entry", out var entries))
            {
                var id = entries[0].GetProperty("resource").GetProperty("id").GetString()!;
                var count = await AskAsync($"Observation?patient={id}&_summary=count");
                if (count.TryGetProperty("total", out var total) && total.GetInt32() == Reports * ResultsOfEach)
                {
                    return (site.Tenant, id);
                }
            }
        }

        throw new InvalidOperationException("The timer ended.");

        async Task<JsonElement> AskAsync(string query)
        {
            var text = await http.GetStringAsync(new Uri(cluster.Base(0), $"/fhir/{site.Tenant}/{query}"), cancellationToken);
            return JsonDocument.Parse(text).RootElement;
        }
    }

    // As an engine does: again, until it is accepted. A listener learns of a new feed within seconds.
    private static async Task SendAsync(NetworkStream stream, string message, CancellationToken cancellationToken)
    {
        using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        var answer = new byte[4096];
        do
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"\x0b{message}\x1c\r"), cancellationToken);
            var length = await stream.ReadAsync(answer, cancellationToken);
            if (Encoding.ASCII.GetString(answer, 0, length).Contains("MSA|AA", StringComparison.Ordinal))
            {
                return;
            }
        }
        while (await pause.WaitForNextTickAsync(cancellationToken));
    }

    private static IEnumerable<string> Messages(string sender)
    {
        var patient = $"PID|1||{sender}-1^^^RECORD^MR||Vexmoor^Ida||19700601|F\rPV1|1|I|W1^1^1|||||||||||||||||{sender}-V1^^^RECORD^VN\r";
        yield return $"MSH|^~\\&|HIS|RECORD|US|HERE|20260101120000||ADT^A01^ADT_A01|{sender}-A|P|2.5.1\rEVN|A01|20260101120000\r{patient}";
        for (var report = 0; report < Reports; report++)
        {
            var at = new DateTime(2026, 1, 2).AddDays(report).ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture);
            var results = string.Concat(Enumerable.Range(1, ResultsOfEach).Select(i =>
                $"OBX|{i}|NM|{2000 + i}-7^Result {i}^LN||{report + i}.5|mg/dL^mg/dL^UCUM|1-9|N|||F|||{at}\r"));
            yield return $"MSH|^~\\&|LAB|RECORD|US|HERE|{at}||ORU^R01^ORU_R01|{sender}-R{report}|P|2.5.1\r{patient}"
                + $"ORC|RE|{sender}-P{report}^HIS|{sender}-F{report}^LAB\rOBR|1|{sender}-P{report}^HIS|{sender}-F{report}^LAB|24323-8^Panel^LN|||{at}|||||||||||||||{at}||LAB|F\r{results}";
        }
    }

    private static HttpClient Client(string token)
    {
        var http = new HttpClient(new SocketsHttpHandler { AutomaticDecompression = DecompressionMethods.All });
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        http.DefaultRequestHeaders.CacheControl = new CacheControlHeaderValue { OnlyIfCached = true };
        return http;
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(
        string program, IEnumerable<string> arguments, string folder, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var errors = process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return (process.ExitCode, process.ExitCode == 0 ? await output : await output + await errors);
    }
}

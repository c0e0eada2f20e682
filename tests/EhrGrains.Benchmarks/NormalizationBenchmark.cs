using System.Buffers;
using System.Globalization;
using System.Text.Json;
using EhrGrains.Benchmarks.Peers;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Sandbox;

namespace EhrGrains.Benchmarks;

/// <summary>Normalizing a page of 50 laboratory results against a bare scan of its bytes, and against a pass through Firely's objects.</summary>
internal static class NormalizationBenchmark
{
    internal static async Task<IEnumerable<string[]>> RunAsync()
    {
        var page = await PageAsync();
        var scope = new NormalizationScope(
            TenantId.Parse("lakeside"), new Uri("https://ehr.example/r4"), VendorProfiles.Find("oracle-health")!, TimeZoneInfo.Utc);
        var normalizer = new Normalizer(scope);
        var request = new PageRequest("Observation", "https://gateway.example/fhir/lakeside");
        var output = new ArrayBufferWriter<byte>(page.Length * 2);
        var scan = Rate.Measure(() => Scan(page));
        var ours = Rate.Measure(() =>
        {
            output.ResetWrittenCount();
            normalizer.NormalizePage(page, request, output);
        });
        var firely = Rate.Measure(() => FirelyPeer.ThroughObjects(page));
        return new[] { ($"Utf8JsonReader, {page.Length:N0} bytes", scan), ("Normalizer", ours), ("Firely, parse and serialize", firely) }.Select(
            row => (string[])[row.Item1, Rate.Text(row.Item2.PerCpuSecond), (row.Item2.PerCpuSecond / scan.PerCpuSecond).ToString("F3", CultureInfo.InvariantCulture),
                row.Item2.AllocatedBytes.ToString("N0", CultureInfo.InvariantCulture)]);
    }

    private static void Scan(ReadOnlySpan<byte> page)
    {
        var reader = new Utf8JsonReader(page);
        while (reader.Read())
        {
        }
    }

    // A page as a hospital really sends it: from the simulated one, over HTTP.
    internal static async Task<byte[]> PageAsync()
    {
        await using var hospitals = SandboxHost.Build(new SandboxOptions
        {
            Vendors = ["oracle-health"],
            BasePort = 0,
            Sites = new Dictionary<string, SiteOptions> { ["oracle-health"] = new() { RequestsPerSecond = 0 } },
        });
        await hospitals.StartAsync();
        var site = SandboxHost.Sites(hospitals).Single(each => each.Vendor == "oracle-health");
        using var http = new HttpClient();
        var token = await GatewayBenchmark.HospitalTokenAsync(http, site, "system/Observation.read", CancellationToken.None);
        http.DefaultRequestHeaders.Authorization = new("Bearer", token);
        http.DefaultRequestHeaders.Accept.ParseAdd("application/fhir+json");
        return await http.GetByteArrayAsync(new Uri($"{site.FhirBaseUrl}/Observation?patient={site.LongChartPatientId}&category=laboratory&_count=50"));
    }
}

using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace EhrGrains.Sandbox.Tests;

/// <summary>The hostile mode: forty ways to misbehave, as a seed decides.</summary>
public sealed class HostileModeTests(HostileModeTests.Fixture fixture) : IClassFixture<HostileModeTests.Fixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private Hospitals Hospitals => fixture.Hospitals;

    private SandboxSite Site => Hospitals.Athena;

    private string Search => $"Observation?patient={Site.LongChartPatientId}&category=laboratory&_count=100&{Sandbox.Tests.Hospitals.Practice(Site)}";

    [Fact]
    public async Task Each_of_the_forty_can_be_seen_from_outside()
    {
        var names = (await Hospitals.Http.GetFromJsonAsync<string[]>(Site.AdminUrl + "/hostile", Cancel))!;
        names.Length.ShouldBe(40);
        var token = await Hospitals.TokenAsync(Site, "Observation", "Patient");
        var well = await SeeAsync(token);

        foreach (var name in names)
        {
            await SetAsync(new { names = new[] { name } });
            (await SeeAsync(token)).ShouldNotBe(well, name);
        }
    }

    [Fact]
    public async Task The_same_seed_misbehaves_in_the_same_way()
    {
        string[] harmless = ["forbidden", "no-content", "unauthorized", "sign-in-page", "server-error-page"];
        var token = await Hospitals.TokenAsync(Site, "Patient");
        var first = await StatusesAsync(7);
        (await StatusesAsync(7)).ShouldBe(first);
        (await StatusesAsync(8)).ShouldNotBe(first);
        first.Count(status => status == "200 application/fhir+json").ShouldBeInRange(5, 35);

        async Task<string[]> StatusesAsync(int seed)
        {
            await SetAsync(new { seed, percent = 50, names = harmless, operations = new[] { "read" } });
            var statuses = new string[40];
            for (var i = 0; i < statuses.Length; i++)
            {
                using var response = await Hospitals.GetAsync(Site, $"Patient/{Site.LongChartPatientId}", token);
                statuses[i] = $"{(int)response.StatusCode} {response.Content.Headers.ContentType?.MediaType}";
            }

            return statuses;
        }
    }

    [Fact]
    public async Task What_cannot_be_is_refused()
    {
        foreach (var settings in (object[])[new { percent = 0 }, new { names = new[] { "rude" } }, new { operations = new[] { "surgery" } }])
        {
            using var response = await Hospitals.Http.PutAsJsonAsync(Site.AdminUrl + "/hostile", settings, Cancel);
            ((int)response.StatusCode).ShouldBe(400);
        }
    }

    private async Task SetAsync(object settings)
    {
        using var response = await Hospitals.Http.PutAsJsonAsync(Site.AdminUrl + "/hostile", settings, Cancel);
        response.EnsureSuccessStatusCode();
    }

    /// <summary>What a search, its second page and a read look like, however they end.</summary>
    private async Task<string> SeeAsync(string token)
    {
        var seen = new StringBuilder();
        var (status, body) = await LookAsync(Search, token);
        seen.Append(status);
        if (Next(body) is { } next)
        {
            seen.Append(new Uri(next).Host).Append(next.Contains("cursor=", StringComparison.Ordinal));
            var second = next.StartsWith(Site.FhirBaseUrl, StringComparison.Ordinal) ? await LookAsync($"{next}&{Sandbox.Tests.Hospitals.Practice(Site)}", token) : default;
            seen.Append(second.Status).Append(Next(second.Body) is null);
        }

        return seen.Append((await LookAsync($"Patient/{Site.LongChartPatientId}", token)).Status).ToString();
    }

    private async Task<(string Status, byte[] Body)> LookAsync(string path, string token)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(1));
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path.StartsWith("http", StringComparison.Ordinal) ? path : $"{Site.FhirBaseUrl}/{path}");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var response = await Hospitals.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
            var head = $"{(int)response.StatusCode} {response.Content.Headers.ContentType} {response.Headers.RetryAfter} {response.Headers.Location}"
                + $"{response.Headers.Date < DateTimeOffset.UtcNow.AddDays(-1)} {response.Content.Headers.ContentLength > 1_000_000}";
            var body = response.Content.Headers.ContentLength > 10_000_000 ? [] : await response.Content.ReadAsByteArrayAsync(patience.Token);
            return (head + Hash(body), body);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return (e.GetType().Name, []);
        }
    }

    // Without the links, whose places in the search are sealed anew each time.
    private static string Hash(byte[] body)
    {
        var text = Encoding.Latin1.GetString(body);
        var (from, to) = (text.IndexOf("\"link\":[", StringComparison.Ordinal), text.IndexOf("\"entry\":[", StringComparison.Ordinal));
        return Convert.ToHexString(SHA256.HashData(Encoding.Latin1.GetBytes(from >= 0 && to > from ? text.Remove(from, to - from) : text)));
    }

    private static string? Next(byte[]? body)
    {
        try
        {
            using var bundle = JsonDocument.Parse(body);
            return bundle.RootElement.TryGetProperty("link", out var links)
                ? links.EnumerateArray().Where(link => link.GetProperty("relation").GetString() == "next").Select(link => link.GetProperty("url").GetString()).FirstOrDefault()
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public sealed class Fixture : IAsyncLifetime
    {
        public Hospitals Hospitals { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Hospitals = await Hospitals.StartAsync(new SandboxOptions { Vendors = ["athenahealth"], Patients = 8 });

        public ValueTask DisposeAsync() => Hospitals.DisposeAsync();
    }
}

using System.Net;
using System.Text.Json;
using CsCheck;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.EndToEnd.Tests.Harness;
using EhrGrains.Sandbox;
using EhrGrains.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace EhrGrains.EndToEnd.Tests;

/// <summary>
/// What belongs to one tenant is refused everywhere else: every way of asking × every pair of tenants × both silos, drawn at
/// random. Each app has a grant at one tenant only.
/// </summary>
[Collection(nameof(ClusterCollection))]
public sealed class TenantIsolationTests(ClusterFixture fixture)
{
    private sealed record Owned(SandboxSite Site, Identity App, string Cursor, string PatientId, IHost Client);

    private delegate Task<bool> Attempt(Cluster cluster, int silo, Owned mine, Owned theirs, CancellationToken cancellationToken);

    private static readonly (string Name, Attempt IsRefused)[] Attempts =
    [
        ("search with the wrong token", (c, silo, mine, theirs, ct) => RefusedAsync(c, silo, $"/fhir/{theirs.Site.Tenant}/{Search(theirs)}", mine.App, ct)),
        ("read with the wrong token", (c, silo, mine, theirs, ct) => RefusedAsync(c, silo, $"/fhir/{theirs.Site.Tenant}/Patient/{theirs.PatientId}", mine.App, ct)),
        ("read another tenant's id", (c, silo, mine, theirs, ct) => RefusedAsync(c, silo, $"/fhir/{mine.Site.Tenant}/Patient/{theirs.PatientId}", mine.App, ct)),
        ("another tenant's cursor at home", (c, silo, mine, theirs, ct) => RefusedAsync(c, silo, theirs.Cursor.Replace(theirs.Site.Tenant, mine.Site.Tenant, StringComparison.Ordinal), mine.App, ct)),
        ("another tenant's cursor where it belongs", (c, silo, mine, theirs, ct) => RefusedAsync(c, silo, theirs.Cursor, mine.App, ct)),
        ("administer over HTTP", (c, silo, mine, theirs, ct) => RefusedAsync(c, silo, $"/admin/v1/tenants/{theirs.Site.Tenant}", mine.App, ct)),
        ("query by Orleans", async (_, _, mine, theirs, ct) =>
        {
            var grain = Grains(mine).GetGrain<IEhrQueryGrain>(theirs.Site.Tenant);
            return await ThrowsAsync(() => grain.ReadAsync(
                new FhirRead { Type = "Patient", Id = theirs.PatientId, GatewayBase = "https://x.example/fhir" }, ct));
        }),
        ("administer by Orleans", (_, _, mine, theirs, ct) => ThrowsAsync(() => Grains(mine).GetGrain<IHospitalTenantGrain>(theirs.Site.Tenant).DescribeAsync(ct))),
        ("take sealed credentials by Orleans", (_, _, mine, _, ct) =>
            ThrowsAsync(() => Grains(mine).GetGrain<IHospitalTenantGrain>(mine.Site.Tenant).GetSealedCredentialsAsync(ct))),
        ("read the audit by Orleans", (_, _, mine, theirs, ct) => ThrowsAsync(() => Grains(mine).GetGrain<IAuditGrain>(theirs.Site.Tenant).WhoAsync("x", null, 10, ct))),
        ("throttle by Orleans", (_, _, mine, theirs, ct) =>
            ThrowsAsync(() => Grains(mine).GetGrain<ISiteBudgetGrain>(theirs.Site.Tenant).ThrottleAsync(TimeSpan.FromHours(1), ct))),
    ];

    [Fact]
    public async Task What_belongs_to_another_tenant_is_refused_however_it_is_asked_for()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var cluster = fixture.Cluster;
        var owned = new List<Owned>();
        foreach (var site in cluster.Sites)
        {
            owned.Add(await OwnAsync(cluster, site, cancellationToken));
        }

        try
        {
            var draw = Gen.Select(Gen.Int[0, Attempts.Length - 1], Gen.Int[0, 1], Gen.Int[0, owned.Count - 1], Gen.Int[1, owned.Count - 1]);
            await draw.SampleAsync(
                async sample =>
                {
                    var (attempt, silo, me, step) = sample;
                    var mine = owned[me];
                    var theirs = owned[(me + step) % owned.Count];
                    (await Attempts[attempt].IsRefused(cluster, silo, mine, theirs, cancellationToken))
                        .ShouldBeTrue($"{Attempts[attempt].Name}: {mine.Site.Tenant} asked for what belongs to {theirs.Site.Tenant}");
                },
                iter: 300,
                threads: 2);
        }
        finally
        {
            foreach (var each in owned)
            {
                each.App.Dispose();
                each.Client.Dispose();
            }
        }
    }

    // The app can do at home what it is refused elsewhere: otherwise the refusals would prove nothing.
    private static async Task<Owned> OwnAsync(Cluster cluster, SandboxSite site, CancellationToken cancellationToken)
    {
        var app = await cluster.AddAppAsync($"app-{site.Tenant}", "system/*.rs", [site.Tenant], cancellationToken);
        using var found = await cluster.GetAsync(0, $"/fhir/{site.Tenant}/{site.SharedPatientSearch}", cancellationToken, app);
        found.StatusCode.ShouldBe(HttpStatusCode.OK);
        var id = First(await BundleAsync(found, cancellationToken)).GetProperty("id").GetString()!;
        using var page = await cluster.GetAsync(
            0, $"/fhir/{site.Tenant}/Observation?patient={site.LongChartPatientId}&category=laboratory&_count=10", cancellationToken, app);
        page.StatusCode.ShouldBe(HttpStatusCode.OK);
        var next = (await BundleAsync(page, cancellationToken)).GetProperty("link").EnumerateArray()
            .Single(link => link.GetProperty("relation").GetString() == "next").GetProperty("url").GetString()!;
        using var read = await cluster.GetAsync(1, $"/fhir/{site.Tenant}/Patient/{id}", cancellationToken, app);
        read.StatusCode.ShouldBe(HttpStatusCode.OK);
        var client = cluster.MakeClient(app);
        await client.StartAsync(cancellationToken);
        return new Owned(site, app, new Uri(next).PathAndQuery, id, client);
    }

    private static string Search(Owned owned) => owned.Site.SharedPatientSearch!;

    private static IGrainFactory Grains(Owned owned) => owned.Client.Services.GetRequiredService<IGrainFactory>();

    private static async Task<JsonElement> BundleAsync(HttpResponseMessage answer, CancellationToken cancellationToken) =>
        JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(cancellationToken)).RootElement;

    private static JsonElement First(JsonElement bundle) => bundle.GetProperty("entry")[0].GetProperty("resource");

    // Refused, and the refusal holds nothing of a patient.
    private static async Task<bool> RefusedAsync(Cluster cluster, int silo, string path, Identity identity, CancellationToken cancellationToken)
    {
        using var answer = await cluster.GetAsync(silo, path, cancellationToken, identity);
        var body = await answer.Content.ReadAsStringAsync(cancellationToken);
        return (int)answer.StatusCode is 400 or 403 or 404 && !body.Contains("\"Patient\"", StringComparison.Ordinal);
    }

    private static async Task<bool> ThrowsAsync(Func<Task> call)
    {
        try
        {
            await call();
            return false;
        }
        catch (ProblemException refused)
        {
            return refused.Kind is ProblemKind.Forbidden or ProblemKind.NotFound;
        }
    }
}

using System.Collections.Immutable;
using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Grains.Changes;
using EhrGrains.Sandbox.Webhooks;
using EhrGrains.Storage.Records;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Webhooks;

/// <summary>
/// A hospital whose records change, an app with a grant there, and the app's receiver on a real socket. What the record does is done here
/// by hand: versions are committed, and it is told that they are.
/// </summary>
internal sealed class WebhookSite : IAsyncDisposable
{
    private readonly GrainCluster cluster;
    private readonly Hospital hospital;
    private readonly Dictionary<PatientId, (ChartHead Head, ImmutableDictionary<string, int> Versions)> heads = [];

    private WebhookSite(GrainCluster cluster, Hospital hospital, WebhookReceiver receiver) =>
        (this.cluster, this.hospital, Receiver) = (cluster, hospital, receiver);

    internal static AppId App { get; } = AppId.Parse("subscriber", null);

    internal static WebhookId Hook { get; } = WebhookId.Parse("hook", null);

    internal WebhookReceiver Receiver { get; }

    internal TenantId Tenant => hospital.Tenant;

    internal IHospitalTenantGrain TenantGrain => hospital.Grain;

    internal IWebhookGrain Grain => cluster.Inside.GetGrain<IWebhookGrain>(GrainKeys.Webhook(Tenant, Hook));

    internal WebhookSpec Spec => new() { App = App, Url = Receiver.Url.AbsoluteUri };

    internal string Secret { get; private set; } = "";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    internal static async Task<WebhookSite> OpenAsync(GrainCluster cluster, params string[] scopes)
    {
        var site = new WebhookSite(cluster, await Hospital.OpenAsync(cluster), await WebhookReceiver.StartAsync(0, cluster.Time, Ct));
        using var admin = cluster.EnterAdmin();
        await cluster.Inside.GetGrain<IAppGrain>(GrainKeys.App(App))
            .RegisterAsync(new AppSpec { App = App, DisplayName = "Subscriber", Role = AppRole.Application }, Ct);
        await site.hospital.Grain.GrantAsync(App, scopes.Length > 0 ? scopes : ["system/*.rs"], Ct);
        cluster.Time.Advance(TimeSpan.FromSeconds(6));
        return site;
    }

    /// <summary>A site with a webhook whose receiver knows its secret.</summary>
    internal static async Task<WebhookSite> OpenWithHookAsync(GrainCluster cluster, Func<WebhookSpec, WebhookSpec>? change = null)
    {
        var site = await OpenAsync(cluster);
        var made = await site.SetAsync(change?.Invoke(site.Spec) ?? site.Spec);
        made.Status.State.ShouldBe(WebhookState.Active);
        site.Receiver.Trust(site.Secret = made.Secret!.Value.Reveal());
        await site.NextAsync("webhook.challenge");
        return site;
    }

    internal Task<WebhookRegistration> SetAsync(WebhookSpec spec) => AsAdminAsync(grain => grain.SetAsync(spec, Ct));

    internal async Task<T> AsAdminAsync<T>(Func<IWebhookGrain, Task<T>> command)
    {
        using var admin = cluster.EnterAdmin();
        return await command(Grain);
    }

    internal Task AsAdminAsync(Func<IWebhookGrain, Task> command) => AsAdminAsync(async grain =>
    {
        await command(grain);
        return true;
    });

    internal Task<WebhookStatus> StatusAsync() => AsAdminAsync(grain => grain.StatusAsync(Ct));

    /// <summary>Commits a version of each of these resources (<c>Observation/1</c>), and says so in one of the silos.</summary>
    internal async Task CommitAsync(string patient, params string[] resources)
    {
        var id = PatientId.Parse(patient, null);
        var (head, versions) = heads.GetValueOrDefault(id, (ChartHead.New(id), ImmutableDictionary<string, int>.Empty));
        var at = cluster.Time.GetUtcNow();
        var source = $"adt/{head.Version + 1}";
        var writes = new List<ChartWrite>();
        foreach (var resource in resources)
        {
            var version = versions.GetValueOrDefault(resource) + 1;
            versions = versions.SetItem(resource, version);
            var (type, name) = (resource.Split('/')[0], resource.Split('/')[1]);
            var json = $$"""{"resourceType":"{{type}}","id":"{{name}}","meta":{"versionId":"{{version}}"} }""";
            writes.Add(new ChartWrite(id, new ChartResource(
                type, name, version, at, version == 1 ? ChangeKind.Created : ChangeKind.Updated, source, Encoding.UTF8.GetBytes(json))));
        }

        head = head with { Version = head.Version + 1, At = at, Resources = versions.Count };
        var commit = new ChartCommit { Tenant = Tenant, Heads = [head], Writes = writes };
        (await Service<RecordWriter>().CommitAsync(commit, Ct)).ShouldBeTrue();
        heads[id] = (head, versions);
        Service<ChangeNews>().Committed(Tenant);
    }

    internal T Service<T>(int silo = 0)
        where T : notnull => cluster.Silo(silo).GetRequiredService<T>();

    /// <summary>The next delivery, which has to be of a type; tells the silos' directories meanwhile.</summary>
    internal async Task<WebhookArrival> NextAsync(string type = "record.changed")
    {
        var arrival = await PassTimeUntilAsync(Receiver.NextAsync(Ct).AsTask());
        arrival.Type.ShouldBe(type);
        return arrival;
    }

    /// <summary>Lets time pass until something has happened.</summary>
    internal async Task<T> PassTimeUntilAsync<T>(Task<T> happened)
    {
        await cluster.Time.PassUntilAsync(happened, TimeSpan.FromMilliseconds(500), Ct);
        return await happened;
    }

    /// <summary>Lets time pass until the webhook stands as wanted: between the looks, for a call in flight would be late.</summary>
    internal async Task<WebhookStatus> UntilAsync(Func<WebhookStatus, bool> wanted, TimeSpan? step = null)
    {
        while (true)
        {
            var status = await StatusAsync();
            if (wanted(status))
            {
                return status;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Ct);
            cluster.Time.Advance(step ?? TimeSpan.FromMilliseconds(500));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Receiver.DisposeAsync();
        await hospital.DisposeAsync();
    }
}

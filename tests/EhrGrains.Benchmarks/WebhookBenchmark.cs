using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Sandbox.Webhooks;
using EhrGrains.Storage.Databases;
using EhrGrains.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace EhrGrains.Benchmarks;

/// <summary>
/// From the first byte of an admission over MLLP to the webhook that tells of it, over PostgreSQL: 16 feeds at half of what they can do
/// when each sends as fast as it is acknowledged. The silo is a process of its own; senders and receiver are here.
/// </summary>
internal sealed class WebhookBenchmark : IAsyncDisposable
{
    private const int Feeds = 16;
    private const int PatientsPerFeed = 100;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(10);
    private static readonly TenantId Tenant = TenantId.Parse("bench", null);
    private static readonly AppId App = AppId.Parse("subscriber", null);

    private readonly TempDirectory directory = new();
    private readonly int port = Ports.Free();
    private readonly ConcurrentDictionary<string, long> sentAt = new();
    private readonly ConcurrentBag<double> milliseconds = [];
    private PostgresDatabase? postgres;
    private WebApplication? hospital;
    private WebhookReceiver? receiver;
    private ChildProcess? silo;
    private EmbeddedSilo? operators;
    private int next;

    internal static async Task<IReadOnlyList<string[]>> RunAsync(CancellationToken cancellationToken)
    {
        await using var benchmark = new WebhookBenchmark();
        await benchmark.StartAsync(cancellationToken);
        return await benchmark.MeasureAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        operators?.Dispose();
        foreach (var part in new IAsyncDisposable?[] { silo, receiver, hospital, postgres })
        {
            if (part is not null)
            {
                await part.DisposeAsync();
            }
        }

        directory.Dispose();
    }

    private async Task<IReadOnlyList<string[]>> MeasureAsync(CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var listening = ListenAsync(end.Token);
        await LoadAsync(WarmUp, null, cancellationToken);
        await CaughtUpAsync(cancellationToken);
        var full = await LoadAsync(Round, null, cancellationToken);
        await CaughtUpAsync(cancellationToken);
        milliseconds.Clear();
        var before = Load.CpuSeconds(silo!.Id);
        var half = await LoadAsync(Round, full / 2, cancellationToken);
        await CaughtUpAsync(cancellationToken);
        var cpu = (Load.CpuSeconds(silo.Id) - before) / Math.Max(1, milliseconds.Count) * 1e6;
        await end.CancelAsync();
        await listening;

        var sorted = milliseconds.Order().ToArray();
        string At(double share) => $"{sorted[(int)((sorted.Length - 1) * share)]:F1} ms";
        return
        [
            ["full load, messages/s", Rate.Text(full), ""],
            ["half load, messages/s", Rate.Text(half), ""],
            ["MLLP in to webhook out, p50 / p90 / p99 / most", $"{At(0.5)} / {At(0.9)} / {At(0.99)} / {At(1)}", "p99 < 500 ms"],
            ["CPU µs of the silo for one of these", Rate.Text(cpu), ""],
            ["deliveries, repeated, forged", $"{receiver!.Read().Deliveries}, {receiver.Read().Repeated}, {receiver.Read().Forged}", ""],
        ];
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        postgres = await PostgresServer.CreateDatabaseAsync(cancellationToken);
        await using (var owner = Database.Open(DatabaseKind.PostgreSql, postgres.OwnerConnectionString, TimeProvider.System, NullLoggerFactory.Instance))
        {
            await owner.MigrateAsync(cancellationToken);
        }

        var settings = new Dictionary<string, string>
        {
            ["EhrGrains__DataDirectory"] = directory.Path,
            ["EhrGrains__Http__Url"] = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Ports.Free()}"),
            ["EhrGrains__Silo__Port"] = "0",
            ["EhrGrains__Silo__GatewayPort"] = "0",
            ["EhrGrains__Mllp__Port"] = port.ToString(CultureInfo.InvariantCulture),
            ["EhrGrains__Webhooks__PrivateNetworks__0"] = "127.0.0.1/32",
            ["EhrGrains__Database__Kind"] = "PostgreSql",
            ["EhrGrains__Database__ConnectionString"] = postgres.AppConnectionString,
        };
        silo = await ChildProcess.StartAsync("EhrGrains.Silo.dll", [], settings, directory.File("silo.log"), "The silo serves", cancellationToken);
        operators = await EmbeddedSilo.ConnectAsync(directory.Path, cancellationToken);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        hospital = builder.Build();
        hospital.MapPost("/token", () => new { access_token = "t", token_type = "bearer", expires_in = 300, scope = "system/Patient.rs" });
        await hospital.StartAsync(cancellationToken);
        receiver = await WebhookReceiver.StartAsync(0, cancellationToken: cancellationToken);
        await OnboardAsync(operators, cancellationToken);

        // A new feed is refused until every listener knows it.
        await Task.Delay(TimeSpan.FromSeconds(6), TimeProvider.System, cancellationToken);
    }

    private async Task OnboardAsync(EmbeddedSilo operators, CancellationToken cancellationToken)
    {
        var tenant = operators.Tenant(Tenant.Value);
        await tenant.RegisterAsync(Spec(hospital!.Urls.Single()), dryRun: false, cancellationToken);
        var credential = await tenant.AddCredentialAsync(
            new NewCredential { Method = ClientAuthMethod.ClientSecretBasic, Secret = new SecretText("a-secret-of-some-length") }, cancellationToken);
        await tenant.ActivateCredentialAsync(credential.Version, cancellationToken);
        await tenant.ChangeLifecycleAsync(Lifecycle.Sandbox, "benchmark", cancellationToken);
        await operators.Grains.GetGrain<IAppGrain>(GrainKeys.App(App)).RegisterAsync(new AppSpec { App = App, DisplayName = "Subscriber" }, cancellationToken);
        await tenant.GrantAsync(App, ["system/*.rs"], cancellationToken);
        var made = await Webhook(operators).SetAsync(
            new WebhookSpec { App = App, Url = receiver!.Url.AbsoluteUri, Payload = WebhookPayload.Resource, Types = ["Patient"] }, cancellationToken);
        receiver.Trust(made.Secret!.Value.Reveal());
    }

    private static IWebhookGrain Webhook(EmbeddedSilo operators) =>
        operators.Grains.GetGrain<IWebhookGrain>(GrainKeys.Webhook(Tenant, WebhookId.Parse("bench", null)));

    private static TenantSpec Spec(string hospital) => new()
    {
        Tenant = Tenant.Value,
        DisplayName = "Benchmark",
        TimeZone = "America/Chicago",
        Connection = new ConnectionSpec
        {
            Vendor = "us-core",
            BaseUrl = $"{hospital}/r4",
            TokenEndpoint = $"{hospital}/token",
            ClientId = "us",
            AuthMethod = ClientAuthMethod.ClientSecretBasic,
            PrivateNetworks = ["127.0.0.1/32"],
        },
        Feeds = [.. Enumerable.Range(0, Feeds).Select(feed => new FeedSpec
        {
            Feed = $"adt{feed}",
            DisplayName = $"Ward {feed}",
            Inbound = new InboundFeedSpec { Match = new FeedMatch { SendingFacility = $"WARD{feed}" } },
        })],
    };

    /// <summary>Each feed sends one message after the other, as soon as the last is acknowledged or when the rate says so; messages a second.</summary>
    private async Task<double> LoadAsync(TimeSpan duration, double? perSecond, CancellationToken cancellationToken)
    {
        var (first, begin) = (next, Stopwatch.GetTimestamp());
        await Task.WhenAll(Enumerable.Range(0, Feeds).Select(feed => Task.Run(
            async () =>
            {
                using var client = new TcpClient { NoDelay = true };
                await client.ConnectAsync(IPAddress.Loopback, port, cancellationToken);
                var buffer = new byte[8192];
                for (var count = 0; Stopwatch.GetElapsedTime(begin) < duration; count++)
                {
                    if (perSecond is { } rate && TimeSpan.FromSeconds((count + ((double)feed / Feeds)) * Feeds / rate) - Stopwatch.GetElapsedTime(begin) is { Ticks: > 0 } early)
                    {
                        await Task.Delay(early, TimeProvider.System, cancellationToken);
                    }

                    var id = string.Create(CultureInfo.InvariantCulture, $"B{Interlocked.Increment(ref next)}");
                    sentAt[id] = Stopwatch.GetTimestamp();
                    var message = Message(feed, id, count % PatientsPerFeed);
                    int length;
                    do
                    {
                        // Refused for now, by a database that was late: sent again, as a hospital does.
                        await client.GetStream().WriteAsync(message, cancellationToken);
                        length = await client.GetStream().ReadAsync(buffer, cancellationToken);
                    }
                    while (buffer.AsSpan(0, length).IndexOf("MSA|AA"u8) < 0);
                }
            },
            cancellationToken)));
        return (next - first) / Stopwatch.GetElapsedTime(begin).TotalSeconds;
    }

    private static byte[] Message(int feed, string id, int patient) => Encoding.ASCII.GetBytes(string.Create(
        CultureInfo.InvariantCulture,
        $"\u000bMSH|^~\\&|HIS|WARD{feed}|EHR|US|20260801120000||ADT^A08^ADT_A01|{id}|P|2.5.1\rEVN|A08|20260801120000\rPID|1||{feed}-{patient}^^^BENCH^MR||{id}^JANE||19800101|F|||1 MAIN ST^^DENVER^CO^80202\rPV1|1|I|3W^301^1\r\u001c\r"));

    // The family name is the message's: it tells which one a delivery is about.
    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                var arrival = await receiver!.NextAsync(cancellationToken);
                var now = Stopwatch.GetTimestamp();
                using var body = JsonDocument.Parse(arrival.Body);
                if (arrival.Type == "record.changed"
                    && body.RootElement.GetProperty("data").GetProperty("changes")[0].TryGetProperty("resource", out var resource)
                    && sentAt.TryRemove(resource.GetProperty("name")[0].GetProperty("family").GetString()!, out var sent))
                {
                    milliseconds.Add(Stopwatch.GetElapsedTime(sent, now).TotalMilliseconds);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Everything has arrived.
        }
    }

    private async Task CaughtUpAsync(CancellationToken cancellationToken)
    {
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (!sentAt.IsEmpty)
        {
            await pace.WaitForNextTickAsync(cancellationToken);
        }
    }
}

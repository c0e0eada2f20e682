using EhrGrains.Contracts.Changes;
using EhrGrains.Sandbox.Webhooks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace EhrGrains.EndToEnd.Tests.Feeds;

/// <summary>
/// An app that has subscribed to all changes of the tenant, and its receiver, which outlives the silo and now and then answers 500. Opens
/// the tenant for it, with just enough of an authorization server.
/// </summary>
internal sealed class Subscriber : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    private readonly WebApplication tokenServer;
    private readonly WebhookReceiver receiver;

    private Subscriber(WebApplication tokenServer, WebhookReceiver receiver) => (this.tokenServer, this.receiver) = (tokenServer, receiver);

    internal WebhookReading Reading => receiver.Read();

    internal static async Task<Subscriber> SubscribeAsync(FeedSilo silo, int feeds, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var hospital = builder.Build();
        hospital.MapPost("/token", () => new { access_token = "t", token_type = "bearer", expires_in = 300, scope = "system/Patient.rs" });
        await hospital.StartAsync(cancellationToken);
        var subscriber = new Subscriber(hospital, await WebhookReceiver.StartAsync(0, cancellationToken: cancellationToken));

        await silo.RegisterAsync(feeds, cancellationToken, hospital.Urls.Single());
        await silo.CallAsync(HttpMethod.Put, "//apps/subscriber", new { displayName = "Subscriber", role = "application" }, cancellationToken);
        await silo.CallAsync(HttpMethod.Put, "/grants/subscriber", new { scopes = new[] { "system/*.rs" } }, cancellationToken);
        var made = await silo.CallAsync(HttpMethod.Put, "/webhooks/all", new { app = "subscriber", url = subscriber.receiver.Url }, cancellationToken);
        made.GetProperty("webhook").GetProperty("state").GetString().ShouldBe("active");
        subscriber.receiver.Trust(made.GetProperty("secret").GetString()!);
        subscriber.receiver.Misbehave(new WebhookFault { Status = 500, Deliveries = 10 });
        return subscriber;
    }

    /// <summary>Waits until everything is delivered.</summary>
    internal async Task CaughtUpAsync(FeedSilo silo, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(Limit);
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        while (await silo.CallAsync(HttpMethod.Get, "/webhooks/all", null, timeout.Token) is var status
            && status.GetProperty("position").GetInt64() < status.GetProperty("head").GetInt64())
        {
            await pace.WaitForNextTickAsync(timeout.Token);
        }
    }

    /// <summary>Everything that is wrong with what was taken, one line each.</summary>
    internal List<string> FindWrong(List<ChangeRecord> changes)
    {
        var wrong = new List<string>();
        var taken = receiver.Arrivals.Where(arrival => arrival is { Type: "record.changed", Status: 200 }).ToArray();
        var idOf = new Dictionary<long, string>();
        foreach (var arrival in taken)
        {
            wrong.AddRange(arrival.Changes.Where(seq => !idOf.TryAdd(seq, arrival.Id) && idOf[seq] != arrival.Id)
                .Select(seq => $"change {seq} came as {arrival.Id} after it had come as {idOf[seq]}"));
        }

        wrong.AddRange(changes.Where(change => !idOf.ContainsKey(change.Seq)).Select(change => $"change {change.Seq} was not delivered"));
        wrong.AddRange(idOf.Keys.Where(seq => seq < 1 || seq > changes.Count).Select(seq => $"change {seq} was never committed"));
        foreach (var patient in taken.GroupBy(arrival => arrival.Patient))
        {
            // The first time of each: what is repeated comes late by nature.
            var order = patient.DistinctBy(arrival => arrival.Id).Select(arrival => arrival.Changes[0]).ToArray();
            wrong.AddRange(order.SequenceEqual(order.Order()) ? [] : [$"patient {patient.Key} came in the order {string.Join(' ', order)}"]);
        }

        return wrong;
    }

    public async ValueTask DisposeAsync()
    {
        await receiver.DisposeAsync();
        await tokenServer.DisposeAsync();
    }
}

using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace EhrGrains.Sandbox.Webhooks;

/// <summary>
/// An application that takes webhooks, on its own port: verifies signatures as the Standard Webhooks specification 1.0 wants it, gives
/// challenges back, keeps what arrived, and misbehaves when told to. The last 100,000 arrivals are kept.
/// </summary>
public sealed class WebhookReceiver : IAsyncDisposable
{
    private const int ArrivalsMax = 100_000;
    private const int BodyBytesMax = 32 * 1024 * 1024;
    private const string SecretPrefix = "whsec_";

    // The specification's advice against replay.
    private static readonly TimeSpan ClockSkewMax = TimeSpan.FromMinutes(5);

    private readonly WebApplication app;
    private readonly TimeProvider time;
    private readonly ConcurrentQueue<WebhookArrival> arrivals = new();
    private readonly ConcurrentDictionary<string, bool> taken = new();
    private readonly Channel<WebhookArrival> news = Channel.CreateBounded<WebhookArrival>(
        new BoundedChannelOptions(ArrivalsMax) { FullMode = BoundedChannelFullMode.DropOldest });

    private volatile byte[][] secrets = [];
    private volatile WebhookFault fault = new();
    private int faultsLeft;
    private int deliveries;
    private int repeated;
    private int refused;
    private int forged;

    private WebhookReceiver(int port, TimeProvider time)
    {
        this.time = time;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = BodyBytesMax;
            kestrel.Listen(IPAddress.Loopback, port);
        });
        app = builder.Build();
        app.MapPost("/webhook", (Delegate)TakeAsync);
        app.MapGet("/_sandbox/webhook", Read);
        app.MapGet("/_sandbox/webhook/arrivals", () => arrivals.Select(arrival => new { arrival.Id, arrival.Type, arrival.Patient, arrival.Changes, arrival.Status, arrival.At }));
        app.MapPut("/_sandbox/webhook/fault", (WebhookFault told) => Misbehave(told));
        app.MapPut("/_sandbox/webhook/secrets", (string[] told) => Trust(told));
    }

    /// <summary>Where deliveries go.</summary>
    public Uri Url => new(new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()), "/webhook");

    /// <summary>What arrived and was answered, in order.</summary>
    public IReadOnlyCollection<WebhookArrival> Arrivals => arrivals;

    /// <summary>Opens the port; 0: any free one.</summary>
    public static async Task<WebhookReceiver> StartAsync(int port, TimeProvider? time = null, CancellationToken cancellationToken = default)
    {
        var receiver = new WebhookReceiver(port, time ?? TimeProvider.System);
        await receiver.app.StartAsync(cancellationToken);
        return receiver;
    }

    /// <summary>Takes deliveries that one of these secrets (<c>whsec_…</c>) has signed, no others; without any it takes all.</summary>
    public void Trust(params string[] secrets) => this.secrets = [.. secrets.Select(secret => Convert.FromBase64String(secret[SecretPrefix.Length..]))];

    /// <summary>Misbehaves from now on; <c>new WebhookFault()</c>: no longer.</summary>
    public void Misbehave(WebhookFault told)
    {
        ArgumentNullException.ThrowIfNull(told);
        Interlocked.Exchange(ref faultsLeft, told.Deliveries ?? int.MaxValue);
        fault = told;
    }

    /// <summary>What it saw.</summary>
    public WebhookReading Read() => new(deliveries, repeated, refused, forged);

    /// <summary>The next delivery, whatever it was answered; each is given once.</summary>
    public ValueTask<WebhookArrival> NextAsync(CancellationToken cancellationToken) => news.Reader.ReadAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => app.DisposeAsync();

    private async Task<IResult> TakeAsync(HttpContext context)
    {
        using var buffer = new MemoryStream();
        await context.Request.Body.CopyToAsync(buffer, context.RequestAborted);
        var body = buffer.ToArray();
        var id = context.Request.Headers["webhook-id"].ToString();
        var signatures = context.Request.Headers["webhook-signature"].ToString().Split(' ');
        if (!IsGenuine(id, context.Request.Headers["webhook-timestamp"].ToString(), signatures, body))
        {
            Interlocked.Increment(ref forged);
            return Results.Unauthorized();
        }

        using var json = JsonDocument.Parse(body);
        var (type, patient, changes) = Describe(json.RootElement);
        var told = fault;
        if ((told.Patient is { } only && only != patient) || (told != new WebhookFault() && Interlocked.Decrement(ref faultsLeft) < 0))
        {
            told = new WebhookFault();
        }

        if (told.DelayMilliseconds > 0)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(told.DelayMilliseconds), time, context.RequestAborted);
        }

        var status = told.Status ?? StatusCodes.Status200OK;
        Keep(new WebhookArrival(id, type, patient, changes, status, signatures.Length, time.GetUtcNow(), body));
        if (status is < 200 or > 299)
        {
            context.Response.Headers.RetryAfter = told.RetryAfterSeconds?.ToString(CultureInfo.InvariantCulture);
            return Results.StatusCode(status);
        }

        return type == "webhook.challenge" && !told.IgnoresChallenges
            ? Results.Json(new { challenge = json.RootElement.GetProperty("data").GetProperty("challenge").GetString() }, statusCode: status)
            : Results.StatusCode(status);
    }

    private void Keep(WebhookArrival arrival)
    {
        if (arrival.Status is < 200 or > 299)
        {
            Interlocked.Increment(ref refused);
        }
        else
        {
            Interlocked.Increment(ref deliveries);
            if (!taken.TryAdd(arrival.Id, true))
            {
                Interlocked.Increment(ref repeated);
            }
        }

        arrivals.Enqueue(arrival);
        if (arrivals.Count > ArrivalsMax)
        {
            arrivals.TryDequeue(out _);
        }

        news.Writer.TryWrite(arrival);
    }

    private bool IsGenuine(string id, string timestamp, string[] signatures, byte[] body)
    {
        if (secrets is not { Length: > 0 } known)
        {
            return true;
        }

        if (!long.TryParse(timestamp, CultureInfo.InvariantCulture, out var seconds)
            || (time.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(seconds)).Duration() > ClockSkewMax)
        {
            return false;
        }

        byte[] signed = [.. Encoding.UTF8.GetBytes($"{id}.{timestamp}."), .. body];
        return known.Any(secret =>
        {
            var expected = "v1," + Convert.ToBase64String(HMACSHA256.HashData(secret, signed));
            return signatures.Any(given => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(expected)));
        });
    }

    private static (string Type, string? Patient, IReadOnlyList<long> Changes) Describe(JsonElement body)
    {
        if (body.TryGetProperty("resourceType", out var resourceType))
        {
            return (resourceType.GetString()!, null, []);
        }

        var data = body.GetProperty("data");
        var patient = data.TryGetProperty("patient", out var whose) ? whose.GetString() : null;
        long[] changes = data.TryGetProperty("changes", out var list) ? [.. list.EnumerateArray().Select(change => change.GetProperty("seq").GetInt64())] : [];
        return (body.GetProperty("type").GetString()!, patient, changes);
    }
}

using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;
using EhrGrains.Connect.Egress;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using Microsoft.Extensions.Options;

namespace EhrGrains.Grains.Webhooks;

/// <summary>What follows from a try.</summary>
internal enum DeliveryVerdict
{
    /// <summary>The receiver has it (2xx).</summary>
    Delivered,

    /// <summary>It did not come through: the same is tried again.</summary>
    Failed,

    /// <summary>410: the receiver wants no more.</summary>
    Gone,
}

/// <summary>One try: what came of it.</summary>
/// <param name="Verdict">What follows.</param>
/// <param name="Outcome">The HTTP status, or a word where there was none.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="RetryAfter">How long the receiver wants to be left alone.</param>
/// <param name="Body">The beginning of its answer.</param>
internal sealed record DeliveryAnswer(DeliveryVerdict Verdict, string Outcome, TimeSpan Duration, TimeSpan? RetryAfter, ReadOnlyMemory<byte> Body)
{
    /// <summary>Why it is no delivery, for people. Nothing that the receiver wrote.</summary>
    internal Problem Explain() => Outcome switch
    {
        "timeout" => new("EHR-WHK-130", "url", "The receiver did not answer within 15 s."),
        "egress" => new(
            "EHR-WHK-131", "url",
            "The receiver's address is not on the public internet. If it is yours, name its network in the setting EhrGrains:Webhooks:PrivateNetworks."),
        "tls" => new("EHR-WHK-132", "url", "The TLS handshake failed: the receiver's certificate is not trusted."),
        "unreachable" => new("EHR-WHK-133", "url", "The receiver does not take the connection, or ended it. Is it running, and the way to it open?"),
        "410" => new("EHR-WHK-134", "url", "The receiver answered 410: it wants no more deliveries."),
        _ => new("EHR-WHK-135", "url", $"The receiver answered {Outcome}. 2xx takes a delivery; redirects are not followed."),
    };
}

/// <summary>A delivery as it is sent, however often.</summary>
/// <param name="Id">The <c>webhook-id</c>.</param>
/// <param name="ContentType">The media type of the body.</param>
/// <param name="Body">The body.</param>
internal sealed record Delivery(string Id, string ContentType, ReadOnlyMemory<byte> Body);

/// <summary>Sends signed deliveries through the egress guard.</summary>
internal sealed class WebhookSender(EgressClients clients, IOptions<WebhookOptions> options, WebhookMetrics metrics, TimeProvider time)
{
    internal static readonly TimeSpan Timeout = TimeSpan.FromSeconds(15);
    private const int AnswerBytesMax = 4_096;
    private static readonly string Agent = $"EhrGrains/{typeof(WebhookSender).Assembly.GetName().Version!.ToString(3)}";

    private readonly string[] networks = [.. options.Value.PrivateNetworks];
    private readonly string? trusted = options.Value.TrustedCertificates is { } file ? File.ReadAllText(file) : null;

    internal async Task<DeliveryAnswer> SendAsync(TenantId tenant, WebhookData webhook, Delivery delivery, CancellationToken cancellationToken)
    {
        var begin = time.GetTimestamp();
        using var timeout = new CancellationTokenSource(Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        DeliveryAnswer Answer(DeliveryVerdict verdict, string outcome, TimeSpan? retryAfter = null, ReadOnlyMemory<byte> body = default) =>
            new(verdict, outcome, time.GetElapsedTime(begin), retryAfter, body);
        var answer = await AnswerAsync(tenant, webhook, delivery, Answer, either.Token, cancellationToken);
        metrics.Tried(answer.Verdict, answer.Duration);
        return answer;
    }

    private async Task<DeliveryAnswer> AnswerAsync(
        TenantId tenant, WebhookData webhook, Delivery delivery, AnswerWriter answer, CancellationToken deadline, CancellationToken cancellationToken)
    {
        try
        {
            using var request = Write(webhook, delivery);
            var client = clients.ForWebhooks(tenant, networks, trusted);
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline);
            var body = await ReadAsync(response.Content, deadline);
            var verdict = response.IsSuccessStatusCode
                ? DeliveryVerdict.Delivered
                : response.StatusCode == HttpStatusCode.Gone ? DeliveryVerdict.Gone : DeliveryVerdict.Failed;
            var outcome = ((int)response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture);
            return answer(verdict, outcome, RetryAfter(response.Headers.RetryAfter), body);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return answer(DeliveryVerdict.Failed, "timeout");
        }
        catch (Exception e) when (e is EgressRefusedException or HttpRequestException { InnerException: EgressRefusedException })
        {
            return answer(DeliveryVerdict.Failed, "egress");
        }
        catch (HttpRequestException e)
        {
            return answer(DeliveryVerdict.Failed, e.InnerException is AuthenticationException ? "tls" : "unreachable");
        }
        catch (IOException)
        {
            return answer(DeliveryVerdict.Failed, "unreachable");
        }
    }

    private HttpRequestMessage Write(WebhookData webhook, Delivery delivery)
    {
        var now = time.GetUtcNow();
        var timestamp = now.ToUnixTimeSeconds();
        var previous = !webhook.PreviousSecret.IsEmpty && webhook.PreviousUntil > now;
        ReadOnlyMemory<byte>[] secrets = previous ? [webhook.Secret.AsMemory(), webhook.PreviousSecret.AsMemory()] : [webhook.Secret.AsMemory()];
        var request = new HttpRequestMessage(HttpMethod.Post, webhook.Spec!.Url)
        {
            Content = new ReadOnlyMemoryContent(delivery.Body) { Headers = { ContentType = MediaTypeHeaderValue.Parse(delivery.ContentType) } },
        };
        request.Headers.TryAddWithoutValidation("User-Agent", Agent);
        request.Headers.Add("webhook-id", delivery.Id);
        request.Headers.Add("webhook-timestamp", timestamp.ToString(System.Globalization.CultureInfo.InvariantCulture));
        request.Headers.Add("webhook-signature", WebhookSignatures.Sign(secrets, delivery.Id, timestamp, delivery.Body.Span));
        foreach (var header in webhook.Headers)
        {
            var colon = header.IndexOf(':', StringComparison.Ordinal);
            request.Headers.TryAddWithoutValidation(header[..colon], header[(colon + 1)..].Trim());
        }

        return request;
    }

    private TimeSpan? RetryAfter(RetryConditionHeaderValue? value) => value?.Delta ?? (value?.Date - time.GetUtcNow());

    // Enough for the answer to a challenge; what follows is the other side's to say and ours to leave.
    private static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var buffer = new byte[AnswerBytesMax];
        await using var stream = await content.ReadAsStreamAsync(cancellationToken);
        var length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        return buffer.AsMemory(0, length);
    }

    private delegate DeliveryAnswer AnswerWriter(
        DeliveryVerdict verdict, string outcome, TimeSpan? retryAfter = null, ReadOnlyMemory<byte> body = default);
}

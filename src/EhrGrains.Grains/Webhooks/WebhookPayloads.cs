using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;
using EhrGrains.Contracts.Changes;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Storage.Records;

namespace EhrGrains.Grains.Webhooks;

/// <summary>
/// Writes what is delivered, in the form that the webhook wants. Resources come from the record's versions, opened just before they leave;
/// one that would make a body too large is named only, as is one that a merge has moved away.
/// </summary>
internal sealed class WebhookPayloads(RecordStore records)
{
    private const int BodyBytesMax = 16 * 1024 * 1024;
    private const string Json = "application/json";

    /// <summary>A delivery of changes.</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="webhook">For whom.</param>
    /// <param name="spec">What it wants.</param>
    /// <param name="stretch">The changes.</param>
    /// <param name="before">How many changes were delivered before them.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal async Task<Delivery> WriteAsync(
        TenantId tenant, WebhookId webhook, WebhookSpec spec, WebhookEvent stretch, long before, CancellationToken cancellationToken)
    {
        var resources = spec.Payload == WebhookPayload.Resource ? await ReadAsync(tenant, stretch.Changes, cancellationToken) : [];
        var id = stretch.IdAt(tenant, webhook);
        return spec.Format == WebhookFormat.Subscription
            ? SubscriptionBundles.Notify(id, webhook, spec, stretch.Changes, resources, before)
            : WriteJson(id, "record.changed", stretch.Changes[^1].At, json => WriteChanges(json, tenant, stretch, resources));
    }

    /// <summary>A delivery without changes: a test.</summary>
    internal static Delivery WriteTest(TenantId tenant, WebhookId webhook, WebhookSpec spec, DateTimeOffset now, long delivered)
    {
        var id = NewId(tenant, webhook, "test");
        return spec.Format == WebhookFormat.Subscription
            ? SubscriptionBundles.Beat(id, webhook, spec, "heartbeat", "active", now, delivered)
            : WriteJson(id, "webhook.test", now, json => WriteWho(json, tenant, webhook));
    }

    /// <summary>Asks the receiver whether it wants the deliveries; see <see cref="IsAccepted"/>.</summary>
    internal static Delivery WriteChallenge(TenantId tenant, WebhookId webhook, WebhookSpec spec, DateTimeOffset now, string challenge)
    {
        var id = NewId(tenant, webhook, "challenge");
        return spec.Format == WebhookFormat.Subscription
            ? SubscriptionBundles.Beat(id, webhook, spec, "handshake", "requested", now, 0)
            : WriteJson(id, "webhook.challenge", now, json =>
            {
                WriteWho(json, tenant, webhook);
                json.WriteString("challenge"u8, challenge);
            });
    }

    /// <summary>
    /// Whether the receiver wants the deliveries: it gives the challenge back; for a subscription any 2xx will do (Backport, handshake).
    /// </summary>
    internal static bool IsAccepted(WebhookSpec spec, DeliveryAnswer answer, string challenge)
    {
        if (answer.Verdict != DeliveryVerdict.Delivered || spec.Format == WebhookFormat.Subscription)
        {
            return answer.Verdict == DeliveryVerdict.Delivered;
        }

        try
        {
            using var json = JsonDocument.Parse(answer.Body);
            return json.RootElement is { ValueKind: JsonValueKind.Object } root
                && root.TryGetProperty("challenge"u8, out var given) && given.ValueKind == JsonValueKind.String && given.ValueEquals(challenge);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private async Task<Dictionary<long, ReadOnlyMemory<byte>>> ReadAsync(
        TenantId tenant, IReadOnlyList<ChangeRecord> changes, CancellationToken cancellationToken)
    {
        var resources = new Dictionary<long, ReadOnlyMemory<byte>>();
        var length = 0;
        foreach (var change in changes)
        {
            var found = await records.ReadVersionAsync(tenant, change.Patient, new RecordKey(change.Type, change.Id), change.Version, cancellationToken);
            if (found is { Content: { IsEmpty: false } content } && length + content.Length <= BodyBytesMax)
            {
                resources.Add(change.Seq, content);
                length += content.Length;
            }
        }

        return resources;
    }

    private static void WriteChanges(Utf8JsonWriter json, TenantId tenant, WebhookEvent stretch, Dictionary<long, ReadOnlyMemory<byte>> resources)
    {
        json.WriteString("tenant"u8, tenant.Value);
        json.WriteString("patient"u8, stretch.Patient.Value);
        json.WriteStartArray("changes"u8);
        foreach (var change in stretch.Changes)
        {
            json.WriteStartObject();
            json.WriteNumber("seq"u8, change.Seq);
            json.WriteString("kind"u8, JsonNamingPolicy.CamelCase.ConvertName(change.Kind.ToString()));
            json.WriteString("type"u8, change.Type);
            json.WriteString("id"u8, change.Id);
            json.WriteNumber("version"u8, change.Version);
            if (resources.TryGetValue(change.Seq, out var resource))
            {
                json.WritePropertyName("resource"u8);
                json.WriteRawValue(resource.Span, skipInputValidation: true);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteWho(Utf8JsonWriter json, TenantId tenant, WebhookId webhook)
    {
        json.WriteString("tenant"u8, tenant.Value);
        json.WriteString("webhook"u8, webhook.Value);
    }

    private static string NewId(TenantId tenant, WebhookId webhook, string what) =>
        $"{tenant}_{webhook}_{what}_{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))}";

    // The envelope of Standard Webhooks 1.0: type, timestamp, data.
    private static Delivery WriteJson(string id, string type, DateTimeOffset at, Action<Utf8JsonWriter> data)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("type"u8, type);
            json.WriteString("timestamp"u8, at);
            json.WriteStartObject("data"u8);
            data(json);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return new Delivery(id, Json, buffer.WrittenMemory);
    }
}

using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EhrGrains.Contracts.Changes;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Webhooks;

namespace EhrGrains.Grains.Webhooks;

/// <summary>
/// Notifications of the Subscriptions R5 Backport 1.1 for R4: a history Bundle whose first entry is the SubscriptionStatus as Parameters.
/// </summary>
internal static class SubscriptionBundles
{
    /// <summary>The one topic there is: every change of a patient's record.</summary>
    internal const string Topic = "https://ehrgrains.dev/fhir/SubscriptionTopic/record-changed";

    internal const string Profiles = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";
    private const string FhirJson = "application/fhir+json";

    /// <summary>An event notification.</summary>
    internal static Delivery Notify(
        string id, WebhookId webhook, WebhookSpec spec, IReadOnlyList<ChangeRecord> changes, Dictionary<long, ReadOnlyMemory<byte>> resources, long before)
    {
        return Write(id, webhook, spec, changes[^1].At, before + changes.Count, "event-notification", "active", WriteEvents, WriteEntries);

        void WriteEvents(Utf8JsonWriter json)
        {
            foreach (var (index, change) in changes.Index())
            {
                json.WriteStartObject();
                json.WriteString("name"u8, "notification-event"u8);
                json.WriteStartArray("part"u8);
                WriteParameter(json, "event-number", "valueString", (before + index + 1).ToString(CultureInfo.InvariantCulture));
                WriteParameter(json, "timestamp", "valueInstant", Instant(change.At));
                WriteReference(json, "focus", Url(spec, change));
                json.WriteEndArray();
                json.WriteEndObject();
            }
        }

        void WriteEntries(Utf8JsonWriter json)
        {
            foreach (var change in changes)
            {
                WriteEntry(json, spec, change, resources);
            }
        }
    }

    /// <summary>A handshake or a heartbeat.</summary>
    internal static Delivery Beat(string id, WebhookId webhook, WebhookSpec spec, string type, string status, DateTimeOffset now, long delivered) =>
        Write(id, webhook, spec, now, delivered, type, status, _ => { }, _ => { });

    /// <summary>The answer to <c>$status</c>: a searchset with the status alone.</summary>
    internal static byte[] Status(WebhookStatus subscription, string status)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("resourceType"u8, "Bundle"u8);
            json.WriteString("type"u8, "searchset"u8);
            json.WriteNumber("total"u8, 1);
            json.WriteStartArray("entry"u8);
            json.WriteStartObject();
            WriteStatus(json, $"{subscription.Webhook}_status", subscription.Webhook, subscription.Spec, subscription.Delivered, "query-status", status, _ => { });
            json.WriteStartObject("search"u8);
            json.WriteString("mode"u8, "match"u8);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static Delivery Write(
        string id, WebhookId webhook, WebhookSpec spec, DateTimeOffset at, long events, string type, string status,
        Action<Utf8JsonWriter> notificationEvents, Action<Utf8JsonWriter> entries)
    {
        var buffer = new ArrayBufferWriter<byte>(2048);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("resourceType"u8, "Bundle"u8);
            WriteProfile(json, "backport-subscription-notification-r4");
            json.WriteString("type"u8, "history"u8);
            json.WriteString("timestamp"u8, Instant(at));
            json.WriteStartArray("entry"u8);
            json.WriteStartObject();
            WriteStatus(json, id, webhook, spec, events, type, status, notificationEvents);
            WriteRequest(json, "GET", $"{spec.FhirBase}/Subscription/{webhook}/$status", "200");
            json.WriteEndObject();
            entries(json);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return new Delivery(id, FhirJson, buffer.WrittenMemory);
    }

    private static void WriteStatus(
        Utf8JsonWriter json, string delivery, WebhookId webhook, WebhookSpec spec, long events, string type, string status, Action<Utf8JsonWriter> notificationEvents)
    {
        // The same delivery is the same bytes, however often it is sent.
        var id = new Guid(SHA256.HashData(Encoding.ASCII.GetBytes(delivery)).AsSpan(0, 16), bigEndian: true).ToString("D");
        json.WriteString("fullUrl"u8, $"urn:uuid:{id}");
        json.WriteStartObject("resource"u8);
        json.WriteString("resourceType"u8, "Parameters"u8);
        json.WriteString("id"u8, id);
        WriteProfile(json, "backport-subscription-status-r4");
        json.WriteStartArray("parameter"u8);
        WriteReference(json, "subscription", $"{spec.FhirBase}/Subscription/{webhook}");
        WriteParameter(json, "topic", "valueCanonical", Topic);
        WriteParameter(json, "status", "valueCode", status);
        WriteParameter(json, "type", "valueCode", type);
        WriteParameter(json, "events-since-subscription-start", "valueString", events.ToString(CultureInfo.InvariantCulture));
        notificationEvents(json);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteEntry(Utf8JsonWriter json, WebhookSpec spec, ChangeRecord change, Dictionary<long, ReadOnlyMemory<byte>> resources)
    {
        var gone = change.Kind == ChangeKind.Deleted;
        json.WriteStartObject();
        json.WriteString("fullUrl"u8, Url(spec, change));
        if (resources.TryGetValue(change.Seq, out var resource))
        {
            json.WritePropertyName("resource"u8);
            json.WriteRawValue(resource.Span, skipInputValidation: true);
        }

        WriteRequest(
            json, gone ? "DELETE" : change.Kind == ChangeKind.Created ? "POST" : "PUT",
            change.Kind == ChangeKind.Created ? change.Type : $"{change.Type}/{change.Id}", gone ? "204" : change.Kind == ChangeKind.Created ? "201" : "200");
        json.WriteEndObject();
    }

    // R4 Bundle invariants bdl-3 and bdl-4: entries of a history have a request and a response.
    private static void WriteRequest(Utf8JsonWriter json, string method, string url, string status)
    {
        json.WriteStartObject("request"u8);
        json.WriteString("method"u8, method);
        json.WriteString("url"u8, url);
        json.WriteEndObject();
        json.WriteStartObject("response"u8);
        json.WriteString("status"u8, status);
        json.WriteEndObject();
    }

    private static void WriteProfile(Utf8JsonWriter json, string profile)
    {
        json.WriteStartObject("meta"u8);
        json.WriteStartArray("profile"u8);
        json.WriteStringValue(Profiles + profile);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteParameter(Utf8JsonWriter json, string name, string type, string value)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, name);
        json.WriteString(type, value);
        json.WriteEndObject();
    }

    private static void WriteReference(Utf8JsonWriter json, string name, string reference)
    {
        json.WriteStartObject();
        json.WriteString("name"u8, name);
        json.WriteStartObject("valueReference"u8);
        json.WriteString("reference"u8, reference);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static string Url(WebhookSpec spec, ChangeRecord change) => $"{spec.FhirBase}/{change.Type}/{change.Id}";

    private static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
}

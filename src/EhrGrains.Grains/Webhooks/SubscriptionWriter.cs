using System.Buffers;
using System.Text.Json;
using EhrGrains.Contracts.Webhooks;

namespace EhrGrains.Grains.Webhooks;

/// <summary>Writes webhooks as Subscriptions of the backport profile. Headers, which hold secrets, are not given back.</summary>
internal static class SubscriptionWriter
{
    /// <summary>R4 ValueSet subscription-status.</summary>
    internal static string StatusOf(WebhookStatus webhook) => webhook switch
    {
        { State: WebhookState.Active } => "active",
        { State: WebhookState.Pending, LastFailure: null } => "requested",
        { State: WebhookState.Paused or WebhookState.Gone or WebhookState.Closed } => "off",
        _ => "error",
    };

    internal static SubscriptionResource Write(WebhookStatus webhook)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            Write(json, webhook);
        }

        return new SubscriptionResource(webhook.Webhook.Value, buffer.WrittenSpan.ToArray());
    }

    internal static byte[] WriteSearchset(IReadOnlyList<SubscriptionResource> found, string gatewayBase)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("resourceType"u8, "Bundle"u8);
            json.WriteString("type"u8, "searchset"u8);
            json.WriteNumber("total"u8, found.Count);
            json.WriteStartArray("entry"u8);
            foreach (var subscription in found)
            {
                json.WriteStartObject();
                json.WriteString("fullUrl"u8, $"{gatewayBase}/Subscription/{subscription.Id}");
                json.WritePropertyName("resource"u8);
                json.WriteRawValue(subscription.Body, skipInputValidation: true);
                json.WriteStartObject("search"u8);
                json.WriteString("mode"u8, "match"u8);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void Write(Utf8JsonWriter json, WebhookStatus webhook)
    {
        var spec = webhook.Spec;
        json.WriteStartObject();
        json.WriteString("resourceType"u8, "Subscription"u8);
        json.WriteString("id"u8, webhook.Webhook.Value);
        json.WriteStartObject("meta"u8);
        json.WriteStartArray("profile"u8);
        json.WriteStringValue(SubscriptionBundles.Profiles + "backport-subscription");
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteString("status"u8, StatusOf(webhook));
        json.WriteString("reason"u8, spec.Description.Length > 0 ? spec.Description : "Changes of patient records");
        json.WriteString("criteria"u8, SubscriptionBundles.Topic);
        if (spec.Types.Length > 0)
        {
            json.WriteStartObject("_criteria"u8);
            json.WriteStartArray("extension"u8);
            foreach (var type in spec.Types)
            {
                WriteExtension(json, "backport-filter-criteria", "valueString", FilterOf(type, spec.Patients));
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        if (StatusOf(webhook) == "error" && webhook.LastFailure is { } failure)
        {
            json.WriteString("error"u8, $"{failure.Message} [{failure.Code}]");
        }

        json.WriteStartObject("channel"u8);
        json.WriteString("type"u8, "rest-hook"u8);
        json.WriteString("endpoint"u8, spec.Url);
        json.WriteString("payload"u8, "application/fhir+json"u8);
        json.WriteStartObject("_payload"u8);
        json.WriteStartArray("extension"u8);
        WriteExtension(json, "backport-payload-content", "valueCode", spec.Payload == WebhookPayload.Resource ? "full-resource" : "id-only");
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static string FilterOf(string type, string[] patients) => patients.Length == 0
        ? type
        : $"{type}?{(type == "Patient" ? "_id=" : "patient=")}{string.Join(',', patients.Select(patient => type == "Patient" ? patient : $"Patient/{patient}"))}";

    private static void WriteExtension(Utf8JsonWriter json, string url, string type, string value)
    {
        json.WriteStartObject();
        json.WriteString("url"u8, SubscriptionBundles.Profiles + url);
        json.WriteString(type, value);
        json.WriteEndObject();
    }
}

using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Webhooks;

namespace EhrGrains.Grains.Webhooks;

/// <summary>What a Subscription asks for.</summary>
/// <param name="Spec">The webhook that does it.</param>
/// <param name="Headers">Headers that it wants to be sent, <c>Name: value</c>.</param>
/// <param name="IsOff">Whether its status is <c>off</c>.</param>
internal sealed record SubscriptionDraft(WebhookSpec Spec, SecretText[] Headers, bool IsOff);

/// <summary>
/// Reads Subscriptions of the backport profile. What is not done here is refused by name: who subscribes is not to wait for something that
/// will not come.
/// </summary>
internal static class SubscriptionReader
{
    private const string Content = SubscriptionBundles.Profiles + "backport-payload-content";
    private const string Filter = SubscriptionBundles.Profiles + "backport-filter-criteria";

    /// <exception cref="ProblemException">Invalid: everything that is wrong with it.</exception>
    internal static SubscriptionDraft Read(byte[] json, AppId app, string gatewayBase)
    {
        using var document = Parse(json);
        var root = document.RootElement;
        var problems = new List<Problem>();
        var channel = Member(root, "channel");
        Require(Text(root, "resourceType") == "Subscription", "EHR-WHK-010", "Subscription", "The resource has to be a Subscription.");
        Require(
            Text(root, "criteria") == SubscriptionBundles.Topic, "EHR-WHK-011", "Subscription.criteria",
            $"The one topic is {SubscriptionBundles.Topic}; what of it is wanted is said by backport-filter-criteria.");
        Require(Text(channel, "type") == "rest-hook", "EHR-WHK-012", "Subscription.channel.type", "The one channel is rest-hook.");
        Require(
            Text(channel, "payload") is "application/fhir+json" or "application/json", "EHR-WHK-013", "Subscription.channel.payload",
            "Notifications are application/fhir+json.");
        var content = Extension(Member(channel, "_payload"), Content, problems, "Subscription.channel.payload");
        Require(
            content is ["id-only"] or ["full-resource"], "EHR-WHK-014", "Subscription.channel.payload",
            "The extension backport-payload-content has to say id-only or full-resource.");
        Require(Member(root, "end") is null, "EHR-WHK-015", "Subscription.end", "Subscriptions do not end by themselves here; delete it when it is to end.");
        Extension(channel, "", problems, "Subscription.channel");
        Extension(root, "", problems, "Subscription");
        var (types, patients) = ReadFilters(Extension(Member(root, "_criteria"), Filter, problems, "Subscription.criteria"), problems);
        var headers = Texts(channel, "header");
        Require(
            headers.Length <= WebhookRules.HeadersMax && headers.All(WebhookRules.IsHeader), "EHR-WHK-016", "Subscription.channel.header",
            $"Give at most {WebhookRules.HeadersMax} headers, «Name: value», none of those that the delivery itself has.");
        var spec = new WebhookSpec
        {
            App = app,
            Url = Text(channel, "endpoint") ?? "",
            Types = types,
            Patients = patients,
            Payload = content is ["full-resource"] ? WebhookPayload.Resource : WebhookPayload.Ids,
            Format = WebhookFormat.Subscription,
            FhirBase = gatewayBase,
            Description = Text(root, "reason") ?? "",
        };
        problems.AddRange(WebhookRules.Check(spec));
        return problems.Count > 0
            ? throw new ProblemException(ProblemKind.Invalid, problems)
            : new SubscriptionDraft(spec, [.. headers.Select(header => new SecretText(header))], Text(root, "status") == "off");

        void Require(bool holds, string code, string path, string message)
        {
            if (!holds)
            {
                problems.Add(new Problem(code, path, message));
            }
        }
    }

    /// <summary>
    /// Filters are searches of one type by patient: <c>Observation?patient=Patient/1</c>, or <c>Observation</c> for all patients. They hold
    /// side by side, so all of them name the same patients.
    /// </summary>
    private static (string[] Types, string[] Patients) ReadFilters(IReadOnlyList<string> filters, List<Problem> problems)
    {
        var types = new List<string>();
        string? patients = null;
        foreach (var filter in filters)
        {
            var (type, query) = filter.IndexOf('?', StringComparison.Ordinal) is var mark and > 0 ? (filter[..mark], filter[(mark + 1)..]) : (filter, "");
            var parameter = type == "Patient" ? "_id=" : "patient=";
            if ((query.Length > 0 && !query.StartsWith(parameter, StringComparison.Ordinal)) || query.Contains('&', StringComparison.Ordinal)
                || (patients is not null && patients != Value(query)))
            {
                problems.Add(new Problem(
                    "EHR-WHK-017", "Subscription.criteria",
                    "A filter is a resource type, or Type?patient=Patient/id,… (Patient?_id=id,…), the same patients in each."));
                break;
            }

            types.Add(type);
            patients = Value(query);
        }

        return ([.. types], patients is null or "" ? [] : [.. patients.Split(',')]);

        static string Value(string query) => Uri.UnescapeDataString(query[(query.IndexOf('=', StringComparison.Ordinal) + 1)..])
            .Replace("Patient/", "", StringComparison.Ordinal);
    }

    private static JsonDocument Parse(byte[] json)
    {
        try
        {
            return JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (JsonException)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-WHK-018", "", "The body is not JSON.");
        }
    }

    private static JsonElement? Member(JsonElement? parent, string name) =>
        parent is { ValueKind: JsonValueKind.Object } element && element.TryGetProperty(name, out var member) ? member : null;

    private static string? Text(JsonElement? parent, string name) =>
        Member(parent, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    private static string[] Texts(JsonElement? parent, string name) => Member(parent, name) is { ValueKind: JsonValueKind.Array } list
        ? [.. list.EnumerateArray().Select(text => text.ValueKind == JsonValueKind.String ? text.GetString()! : "")]
        : [];

    /// <summary>The values of the one extension that an element may have here; others are refused.</summary>
    private static List<string> Extension(JsonElement? element, string known, List<Problem> problems, string path)
    {
        var values = new List<string>();
        if (Member(element, "extension") is not { ValueKind: JsonValueKind.Array } extensions)
        {
            return values;
        }

        foreach (var extension in extensions.EnumerateArray())
        {
            if (known.Length > 0 && Text(extension, "url") == known)
            {
                values.Add(Text(extension, "valueString") ?? Text(extension, "valueCode") ?? "");
            }
            else
            {
                problems.Add(new Problem("EHR-WHK-019", path, "This has an extension that is not known here, such as a heartbeat period or a count; leave it out."));
                break;
            }
        }

        return values;
    }
}

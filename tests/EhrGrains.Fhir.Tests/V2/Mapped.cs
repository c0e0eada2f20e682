using System.Text.Json;
using EhrGrains.Fhir.V2;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>A message of a few segments, mapped.</summary>
internal sealed class Mapped
{
    internal const string Admission = @"MSH|^~\&|ADT|HOSP|APP|B|20240131120000||ADT^A01^ADT_A01|42|P|2.5.1";

    /// <summary>A segment of some fields.</summary>
    internal static string Segment(string id, params (int Field, string Text)[] fields)
    {
        var texts = new string[fields.Max(field => field.Field)];
        foreach (var (field, text) in fields)
        {
            texts[field - 1] = text;
        }

        return $"{id}|{string.Join('|', texts)}";
    }

    private Mapped(MappedMessage message) => Message = message;

    internal MappedMessage Message { get; }

    internal IReadOnlyList<(string Kind, string Location)> Exceptions => [.. Message.Exceptions.Select(exception => (exception.Kind, exception.Location))];

    internal static Mapped Of(params string[] segments) => By(Corpus.Shared, segments);

    /// <summary>By rules of a site for Z-segments and the like.</summary>
    internal static Mapped By(SiteLayer site, params string[] segments) => By(V2Mapping.Compile(site), segments);

    internal static Mapped Explained(params string[] segments) => By(Corpus.Shared, segments, explain: true);

    internal IReadOnlyList<JsonElement> All(string type) =>
        [.. Message.Resources.Where(resource => resource.Type == type).Select(resource => JsonDocument.Parse(resource.Json).RootElement)];

    internal JsonElement One(string type) => All(type).ShouldHaveSingleItem();

    internal MappedResource Resource(string type) => Message.Resources.Where(resource => resource.Type == type).ShouldHaveSingleItem();

    internal static string? At(JsonElement element, string path)
    {
        foreach (var step in path.Split('.'))
        {
            if (element.ValueKind == JsonValueKind.Array)
            {
                element = int.TryParse(step, out var index) && index < element.GetArrayLength() ? element[index] : default;
            }
            else if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(step, out element))
            {
                return null;
            }
        }

        return element.ValueKind == JsonValueKind.Undefined ? null : element.ToString();
    }

    private static Mapped By(V2Mapping mapping, string[] segments, bool explain = false)
    {
        using var message = Hl7Message.Parse(System.Text.Encoding.UTF8.GetBytes(string.Join('\r', segments)));
        var mentions = mapping.ReadPatients(message);
        var context = new MappingContext(
            ResourceIdentity.Offline, [.. mentions.Patients.Select((_, index) => $"patient-{index}")], "feed/1", DateTimeOffset.UnixEpoch, explain);
        return new Mapped(mapping.Map(message, context));
    }
}

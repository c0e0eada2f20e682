using System.Globalization;
using System.Text.Json.Nodes;

namespace EhrGrains.Sandbox.Charts;

/// <summary>The FHIR datatypes that charts are put together from.</summary>
internal static class Elements
{
    /// <summary>The day that all charts are written on; there is no wall clock in a chart.</summary>
    public static readonly DateTime Today = new(2026, 6, 1, 0, 0, 0, DateTimeKind.Unspecified);

    /// <summary>A member that is a text; null: it is not there, or something else.</summary>
    public static string? TextOf(JsonObject holder, string name) => holder[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    public static JsonObject Resource(string type, string id) => new() { ["resourceType"] = type, ["id"] = id };

    public static JsonObject Coding(string system, string code, string? display = null)
    {
        var coding = new JsonObject { ["system"] = system, ["code"] = code };
        if (display is not null)
        {
            coding["display"] = display;
        }

        return coding;
    }

    public static JsonObject Concept(string system, string code, string? display = null) => Concept(display, Coding(system, code, display));

    public static JsonObject Concept(string? text, params JsonObject[] codings)
    {
        var concept = new JsonObject { ["coding"] = new JsonArray([.. codings]) };
        if (text is not null)
        {
            concept["text"] = text;
        }

        return concept;
    }

    public static JsonObject Reference(string type, string id, string? display = null)
    {
        var reference = new JsonObject { ["reference"] = $"{type}/{id}" };
        if (display is not null)
        {
            reference["display"] = display;
        }

        return reference;
    }

    public static JsonArray List(params JsonNode?[] items) => new(items);

    public static JsonObject Identifier(string? type, string? system, string value)
    {
        var identifier = new JsonObject { ["use"] = "usual" };
        if (type is not null)
        {
            identifier["type"] = new JsonObject { ["text"] = type };
        }

        if (system is not null)
        {
            identifier["system"] = system;
        }

        identifier["value"] = value;
        return identifier;
    }

    public static string Date(DateTime day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>An instant as an EHR writes it: UTC.</summary>
    public static string Instant(DateTime utc) => utc.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>A number in tenths as a JSON number with one decimal, as instruments report it.</summary>
    public static JsonNode Tenths(int tenths) => JsonValue.Create(tenths / 10m);
}

using System.Text.Json;

namespace EhrGrains.Fhir.DataContracts;

/// <summary>How a resource stands to an element that an app looks at.</summary>
public enum ElementPresence
{
    /// <summary>It is not there.</summary>
    Absent,

    /// <summary>It is not there, and the resource says why (FHIR's data-absent-reason).</summary>
    DataAbsent,

    /// <summary>It is there, with a value.</summary>
    Present,
}

/// <summary>An element that an app looks at, for example <c>code where system=http://loinc.org</c>.</summary>
public sealed class ContractElement
{
    private const string AbsentReason = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    private const string AbsentReasonCodes = "http://terminology.hl7.org/CodeSystem/data-absent-reason";

    private readonly IReadOnlyList<IReadOnlySet<string>> path;
    private readonly IReadOnlyList<ElementCondition> conditions;

    internal ContractElement(
        string text, bool isMust, double? atLeast, IReadOnlyList<IReadOnlySet<string>> path, IReadOnlyList<ElementCondition> conditions)
    {
        Text = text;
        IsMust = isMust;
        AtLeast = atLeast;
        this.path = path;
        this.conditions = conditions;
    }

    /// <summary>The element as the contract writes it, without its floor.</summary>
    public string Text { get; }

    /// <summary>Whether the feature needs it to work.</summary>
    public bool IsMust { get; }

    /// <summary>The least share of resources that have it, 0–1; null: one of them is enough.</summary>
    public double? AtLeast { get; }

    /// <summary>Looks for the element in a resource.</summary>
    public ElementPresence In(JsonElement resource) => Walk(resource, 0);

    /// <inheritdoc/>
    public override string ToString() => Text;

    // The best of what lies on the way: one value is enough.
    private ElementPresence Walk(JsonElement at, int step)
    {
        if (at.ValueKind == JsonValueKind.Array)
        {
            var best = ElementPresence.Absent;
            foreach (var item in at.EnumerateArray())
            {
                best = Best(best, Walk(item, step));
            }

            return best;
        }

        if (step == path.Count)
        {
            return Judge(at);
        }

        if (at.ValueKind != JsonValueKind.Object)
        {
            return ElementPresence.Absent;
        }

        // Observation and its components say it in an element of their own.
        var found = SaysAbsent(at) || (path[step].Contains("valueQuantity") && at.TryGetProperty("dataAbsentReason", out _))
            ? ElementPresence.DataAbsent
            : ElementPresence.Absent;
        foreach (var member in at.EnumerateObject())
        {
            if (path[step].Contains(member.Name))
            {
                found = Best(found, Walk(member.Value, step + 1));
            }
            else if (member.Name.StartsWith('_') && path[step].Contains(member.Name[1..]) && AnySaysAbsent(member.Value))
            {
                // A primitive's extensions stand beside it (R4 json.html#primitive).
                found = Best(found, ElementPresence.DataAbsent);
            }
        }

        return found;
    }

    private ElementPresence Judge(JsonElement value)
    {
        if (SaysAbsent(value))
        {
            return ElementPresence.DataAbsent;
        }

        return value.ValueKind != JsonValueKind.Null && conditions.All(condition => condition.HoldsIn(value)) ? ElementPresence.Present : ElementPresence.Absent;
    }

    // By extension, or by a code that says so in place of a real one (US Core 6.1.0 "Missing Data").
    private static bool SaysAbsent(JsonElement value) =>
        value.ValueKind == JsonValueKind.Object
        && (Has(value, "extension", static e => Is(e, "url", AbsentReason))
            || Has(value, "coding", IsAbsentCode)
            || IsAbsentCode(value));

    private static bool IsAbsentCode(JsonElement coding) => Is(coding, "system", AbsentReasonCodes);

    private static bool Is(JsonElement element, string member, string text) =>
        element.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.String && value.ValueEquals(text);

    private static bool Has(JsonElement value, string list, Func<JsonElement, bool> wanted) =>
        value.TryGetProperty(list, out var items) && items.ValueKind == JsonValueKind.Array
        && items.EnumerateArray().Any(item => item.ValueKind == JsonValueKind.Object && wanted(item));

    private static bool AnySaysAbsent(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().Any(SaysAbsent) : SaysAbsent(value);

    private static ElementPresence Best(ElementPresence one, ElementPresence other) => one > other ? one : other;
}

/// <summary>What an element has to be like: one of its descendants has a value.</summary>
/// <param name="Path">The way down to it.</param>
/// <param name="Value">The value, as JSON text is written without quotes.</param>
internal sealed record ElementCondition(IReadOnlyList<string> Path, string Value)
{
    internal bool HoldsIn(JsonElement element) => Holds(element, 0);

    private bool Holds(JsonElement at, int step) => at.ValueKind switch
    {
        JsonValueKind.Array => at.EnumerateArray().Any(item => Holds(item, step)),
        JsonValueKind.Object => step < Path.Count && at.TryGetProperty(Path[step], out var next) && Holds(next, step + 1),
        JsonValueKind.String => step == Path.Count && at.ValueEquals(Value),
        _ => step == Path.Count && at.GetRawText() == Value,
    };
}

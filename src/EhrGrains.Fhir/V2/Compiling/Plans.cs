using System.Collections.Frozen;
using EhrGrains.Fhir.V2.Language;
using EhrGrains.Fhir.V2.Running;

namespace EhrGrains.Fhir.V2.Compiling;

/// <summary>All rules, compiled: which maps there are for each segment, and the tables.</summary>
internal sealed record RulePlan(
    FrozenDictionary<string, int> SegmentSlots,
    string[] SegmentNames,
    int PatientSlot,
    int ResourceSlots,
    MapPlan[][] BySegment,
    FrozenDictionary<string, IgnoreSegmentRule> IgnoredSegments,
    CodeSystemNames Systems);

/// <summary>A map.</summary>
internal sealed class MapPlan(MapRule rule, FhirType target)
{
    internal MapRule Rule => rule;

    internal RulePlace Place => rule.Place;

    internal FhirType Target => target;

    /// <summary>The name of the resource in scope, as a number; -1 for a data type's map.</summary>
    internal int ResourceSlot { get; set; } = -1;

    internal bool Joins => rule.Joins;

    /// <summary>The structures that it is for; empty: all.</summary>
    internal IReadOnlyList<string> Structures => rule.Structures;

    internal ConditionPlan? When { get; set; }

    internal SourcePlan[][][] Keys { get; set; } = [];

    internal LinePlan[] Lines { get; set; } = [];

    /// <summary>The lines that write to other resources: run when all resources are made.</summary>
    internal LinePlan[] Outward { get; set; } = [];

    internal IgnorePlan[] Ignores { get; set; } = [];

    internal bool IsFor(string structure)
    {
        foreach (var own in Structures)
        {
            if (own.EndsWith('*') ? structure.AsSpan().StartsWith(own.AsSpan(..^1), StringComparison.Ordinal) : own == structure)
            {
                return true;
            }
        }

        return Structures.Count == 0;
    }
}

/// <summary>A line.</summary>
internal sealed class LinePlan
{
    internal required RulePlace Place { get; init; }

    internal required SourcePlan[] Sources { get; init; }

    /// <summary>The other resource that it writes to; -1: its own.</summary>
    internal int OutwardSlot { get; init; } = -1;

    /// <summary>The way to the element; empty for <c>.</c>.</summary>
    internal required PathStep[] Path { get; init; }

    /// <summary>The type of the element.</summary>
    internal required FhirType Type { get; init; }

    internal MapPlan? Map { get; init; }

    /// <summary>Whether the map makes a resource that the element refers to.</summary>
    internal bool Refers { get; init; }

    internal CodeTable? Table { get; init; }

    internal Conversion? By { get; init; }

    /// <summary>What stands between several values in one text; null: the element has room for one.</summary>
    internal string? Joined { get; init; }

    internal ConditionPlan? When { get; init; }

    internal LinePlan[]? Block { get; init; }

    /// <summary>The path for people, from the element that is being filled on.</summary>
    internal required string Element { get; init; }

    internal required bool IsExtension { get; init; }

    /// <summary>The code and words that a constant means, for a Coding or CodeableConcept.</summary>
    internal (CodeEntry? Code, string? Words) Constant { get; init; }

    /// <summary>The field of the map's own segment without which the line has nothing to say; 0: there is no such field.</summary>
    internal int NeedsField { get; init; }

    /// <summary>The component of the current value, or an earlier one, without which the line has nothing to say; 0: there is none.</summary>
    internal int NeedsPart { get; init; }
}

/// <summary>A step of a path.</summary>
/// <param name="Element">The element.</param>
/// <param name="Slice">Which item of a list; null: a new one at the end of a path, the block's one inside.</param>
/// <param name="Url">The extension's URL.</param>
internal readonly record struct PathStep(FhirElement Element, string? Slice, string? Url);

/// <summary>What is passed over with a reason.</summary>
internal sealed record IgnorePlan(RulePlace Place, SourcePlan[] Sources, string Reason);

/// <summary>What a source reads.</summary>
internal enum SourceKind
{
    /// <summary>A field of a segment.</summary>
    Field,

    /// <summary>A part of the current value.</summary>
    Part,

    /// <summary>The segment as such.</summary>
    Segment,

    /// <summary>A text, with or without values in it.</summary>
    Text,

    /// <summary>A resource in scope.</summary>
    Resource,

    /// <summary>The resource of the map.</summary>
    Self,
}

/// <summary>A source.</summary>
internal sealed record SourcePlan(SourceKind Kind, string Text)
{
    /// <summary>The segment or the resource, as a number.</summary>
    internal int Slot { get; init; } = -1;

    internal int Field { get; init; }

    internal int Component { get; init; }

    internal int Subcomponent { get; init; }

    internal int To { get; init; }

    internal IReadOnlyList<string> Texts { get; init; } = [];

    internal SourcePlan[] Holes { get; init; } = [];

    /// <summary>A text without values in it.</summary>
    internal bool IsConstant => Kind == SourceKind.Text && Holes.Length == 0;
}

/// <summary>A condition: any of these, each all of its tests.</summary>
internal sealed record ConditionPlan(TestPlan[][] Any);

/// <summary>A test.</summary>
internal sealed record TestPlan(bool Not, TestKind Kind, SourcePlan Source, string[] Values, int Length);

/// <summary>A code table.</summary>
internal sealed class CodeTable(TableRule rule, FrozenDictionary<string, CodeEntry> entries, CodeEntry? others)
{
    internal string Name => rule.Name;

    internal bool IsOther(string code) => !entries.ContainsKey(code);

    /// <summary>What a code means; false when the table says nothing of it.</summary>
    internal bool TryFind(string code, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out CodeEntry? entry)
    {
        entry = entries.GetValueOrDefault(code) ?? (others is { Code: "*" } ? others with { Code = code } : others);
        return entry is not null;
    }
}

/// <summary>A code in FHIR; <see cref="Code"/> null: the code of the message means nothing there.</summary>
internal sealed record CodeEntry(string? Code, string? Display, string? System);

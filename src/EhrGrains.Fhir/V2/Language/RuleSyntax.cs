namespace EhrGrains.Fhir.V2.Language;

/// <summary>Where a rule stands.</summary>
internal readonly record struct RulePlace(string File, int Line)
{
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{File}:{Line}");
}

/// <summary>Something wrong with a rule.</summary>
internal readonly record struct RuleFault(RulePlace Place, string Message);

/// <summary>What a file of rules holds.</summary>
internal sealed record RuleSet(List<MapRule> Maps, List<TableRule> Tables, List<SystemRule> Systems, List<IgnoreSegmentRule> Ignored);

/// <summary><c>PID -> Patient as x in ADT_* if …</c> and its lines.</summary>
internal sealed record MapRule(
    RulePlace Place, string Source, bool Joins, string Target, string? Name, IReadOnlyList<string> Structures, ConditionRule? When)
{
    internal List<LineRule> Lines { get; } = [];

    internal List<KeyRule> Keys { get; } = [];

    internal List<IgnoreRule> Ignores { get; } = [];
}

/// <summary>A line of a map or a block: where from, where to, how and when.</summary>
internal sealed record LineRule(RulePlace Place, IReadOnlyList<SourceRule> Sources, string Path, HowRule How, ConditionRule? When)
{
    /// <summary>The lines of the block; null when the line is none.</summary>
    internal List<LineRule>? Block { get; init; }
}

/// <summary>How a value becomes an element.</summary>
/// <param name="Map">The data type's map; null: by the element's own type.</param>
/// <param name="Variant">Which of the maps of that type; null: the one without a name.</param>
/// <param name="Resource">The resource type that the map makes, to refer to.</param>
/// <param name="Table">The code table.</param>
/// <param name="Conversion">The conversion in code.</param>
/// <param name="Joined">What stands between several values in one text; null: there is room for one.</param>
internal sealed record HowRule(string? Map, string? Variant, string? Resource, string? Table, string? Conversion, string? Joined)
{
    internal static HowRule Plain { get; } = new(null, null, null, null, null, null);
}

/// <summary><c>key A B|C</c>.</summary>
internal sealed record KeyRule(RulePlace Place, IReadOnlyList<IReadOnlyList<SourceRule>> Parts);

/// <summary><c>ignore PID-1 "reason"</c>.</summary>
internal sealed record IgnoreRule(RulePlace Place, IReadOnlyList<SourceRule> Sources, string Reason);

/// <summary><c>ignore SFT "reason"</c> at the margin: a segment that needs no map.</summary>
internal sealed record IgnoreSegmentRule(RulePlace Place, string Segment, string Reason);

/// <summary><c>table NAME -> SYSTEM</c>.</summary>
internal sealed record TableRule(RulePlace Place, string Name, string? System)
{
    internal List<TableEntry> Entries { get; } = [];
}

/// <summary>A code of a table; <see cref="Code"/> null for <c>-</c>.</summary>
internal sealed record TableEntry(RulePlace Place, string From, string? Code, string? Display, string? System);

/// <summary><c>system NAME URI</c>.</summary>
internal sealed record SystemRule(RulePlace Place, string Name, string Uri);

/// <summary>Where a value comes from.</summary>
internal abstract record SourceRule(string Text);

/// <summary><c>PID-3.4.1</c>; component and subcomponent 0: all of them. To: the last field of a range, for ignore.</summary>
internal sealed record FieldSource(string Text, string Segment, int Field, int Component, int Subcomponent, int To = 0) : SourceRule(Text);

/// <summary><c>CX.4.1</c>; component 0: the value itself. To: the last component of a range, for ignore.</summary>
internal sealed record PartSource(string Text, string Type, int Component, int Subcomponent, int To = 0) : SourceRule(Text);

/// <summary><c>DG1</c>.</summary>
internal sealed record SegmentSource(string Text, string Segment) : SourceRule(Text);

/// <summary><c>"text"</c> or <c>"text {CX.1} text"</c>: texts and sources in turn.</summary>
internal sealed record TextSource(string Text, IReadOnlyList<string> Texts, IReadOnlyList<SourceRule> Holes) : SourceRule(Text);

/// <summary><c>@Patient</c>, <c>@self</c>.</summary>
internal sealed record ResourceSource(string Text, string Name) : SourceRule(Text);

/// <summary>Alternatives, each of which has to hold in all its parts.</summary>
internal sealed record ConditionRule(IReadOnlyList<IReadOnlyList<TestRule>> Any);

/// <summary>One test of a condition.</summary>
internal sealed record TestRule(bool Not, TestKind Kind, SourceRule Source, IReadOnlyList<string> Values, int Length);

/// <summary>What is tested.</summary>
internal enum TestKind
{
    /// <summary>It is valued, or there.</summary>
    Valued,

    /// <summary>It is one of the values.</summary>
    Is,

    /// <summary>Its text is longer.</summary>
    Longer,

    /// <summary>It has several repetitions.</summary>
    Repeats,

    /// <summary>The segment comes after one of these, remarks and participations between them aside.</summary>
    After,
}

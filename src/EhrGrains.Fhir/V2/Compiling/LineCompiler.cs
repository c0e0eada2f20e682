using EhrGrains.Fhir.V2.Language;
using EhrGrains.Fhir.V2.Running;

namespace EhrGrains.Fhir.V2.Compiling;

/// <summary>Compiles the lines of maps.</summary>
internal sealed class LineCompiler(
    List<RuleFault> faults,
    Func<string, string, string?, MapPlan?> findMap,
    Dictionary<string, CodeTable> tables,
    Func<string, int> segmentSlot,
    Dictionary<string, (int Slot, FhirType Type)> resources,
    CodeSystemNames systems)
{
    private const string ExtensionBase = "http://hl7.org/fhir/StructureDefinition/";

    // The segment whose map is being compiled; -1 for a data type's.
    private int ownSlot;

    internal void Compile(MapPlan plan)
    {
        var rule = plan.Rule;
        ownSlot = plan.ResourceSlot < 0 ? -1 : segmentSlot(rule.Source);
        plan.When = Condition(rule.Place, rule.When);
        plan.Keys = [.. rule.Keys.Select(key => key.Parts.Select(part => Sources(key.Place, part)).ToArray())];
        plan.Ignores = [.. rule.Ignores.Select(ignore => new IgnorePlan(ignore.Place, Sources(ignore.Place, ignore.Sources), ignore.Reason))];
        var lines = Lines(rule.Lines, plan.Target, rule.Target);
        plan.Lines = [.. lines.Where(line => line.OutwardSlot < 0)];
        plan.Outward = [.. lines.Where(line => line.OutwardSlot >= 0)];
        if (plan.Outward.Length > 0 && plan.ResourceSlot < 0)
        {
            faults.Add(new RuleFault(plan.Outward[0].Place, "Only a segment's map writes to another resource."));
        }
    }

    private LinePlan[] Lines(List<LineRule> rules, FhirType type, string at) =>
        [.. rules.Select(rule => Line(rule, type, at)).OfType<LinePlan>()];

    private LinePlan? Line(LineRule rule, FhirType own, string at)
    {
        var sources = Sources(rule.Place, rule.Sources);
        if (sources.Length == 0 || Path(rule, own, at) is not { } path)
        {
            return null;
        }

        var table = rule.How.Table is { } name ? tables.GetValueOrDefault(name) : null;
        if (rule.How.Table is not null && table is null)
        {
            Fault(rule, $"There is no table {rule.How.Table}.");
        }

        var by = rule.How.Conversion is { } named ? Conversions.Find(named) : null;
        if (rule.How.Conversion is not null && by is null)
        {
            Fault(rule, $"There is no conversion {rule.How.Conversion}; there are {string.Join(", ", Conversions.Names)}.");
        }

        var (map, refers) = MapOf(rule, path.Type);
        var line = new LinePlan
        {
            Place = rule.Place,
            Sources = sources,
            OutwardSlot = path.Outward,
            Path = path.Steps,
            Type = path.Type,
            Map = map,
            Refers = refers,
            Table = table,
            By = by,
            Joined = rule.How.Joined,
            When = Condition(rule.Place, rule.When),
            Block = rule.Block is { } block ? Lines(block, path.Type, path.Text) : null,
            Element = string.Join('.', path.Steps.Select(step => step.Element.Name)),
            IsExtension = path.Steps.Any(step => step.Url is not null),
            Constant = sources is [{ IsConstant: true }] && !path.Type.IsPrimitive ? ConstantOf(sources[0].Texts[0]) : default,
            NeedsField = NeedsField(sources),
            NeedsPart = NeedsPart(sources),
        };
        Check(rule, line);
        return line;
    }

    // "code|system|display|text"; without a code it is words only.
    private (CodeEntry? Code, string? Words) ConstantOf(string text)
    {
        var parts = text.Split('|');
        var system = parts.Length > 1 && parts[1].Length > 0 ? systems.Expand(parts[1]) : null;
        return (parts[0].Length > 0 ? new CodeEntry(parts[0], parts.Length > 2 ? parts[2] : null, system) : null, parts.Length > 3 ? parts[3] : null);
    }

    private int NeedsField(SourcePlan[] sources) => sources switch
    {
        [{ Kind: SourceKind.Field } own] => own.Slot == ownSlot ? own.Field : 0,
        [{ Kind: SourceKind.Text } text] => text.Holes.FirstOrDefault(hole => hole.Kind == SourceKind.Field && hole.Slot == ownSlot)?.Field ?? 0,
        _ => 0,
    };

    private static int NeedsPart(SourcePlan[] sources) => sources switch
    {
        [{ Kind: SourceKind.Text } text] => text.Holes.Where(hole => hole.Kind == SourceKind.Part).Select(hole => hole.Component).DefaultIfEmpty().Max(),
        _ => sources.All(source => source.Kind == SourceKind.Part) ? sources.Min(source => source.Component) : 0,
    };

    private (MapPlan? Map, bool Refers) MapOf(LineRule rule, FhirType type)
    {
        var how = rule.How;
        if (how.Map is null)
        {
            return (null, false);
        }

        var target = how.Resource ?? type.Name;
        if (how.Resource is not null && type.Name != "Reference")
        {
            Fault(rule, $"Only a reference can refer to a {how.Resource}; this element is a {type.Name}.");
        }

        // An element of its own type (Encounter.location) may have a map, by its path; a table needs none.
        if (findMap(how.Map, target, how.Variant) is { } map)
        {
            return (map, how.Resource is not null);
        }

        Fault(rule, $"There is no map {how.Map} -> {target}{(how.Variant is null ? "" : $" as {how.Variant}")}.");
        return (null, false);
    }

    private void Check(LineRule rule, LinePlan line)
    {
        var isPlain = line.Map is null && line.Block is null && line.By is null && line.Table is null;
        foreach (var source in line.Sources)
        {
            if (source.Kind is SourceKind.Resource or SourceKind.Self)
            {
                if (line.Type.Name != "Reference" || !isPlain)
                {
                    Fault(rule, $"{source.Text} is a reference; {line.Element} is a {line.Type.Name}.");
                }
            }
            else if (source.IsConstant && isPlain && line.Path is [.., { Element.Codes: { } codes }] && !codes.Contains(source.Texts[0]))
            {
                Fault(rule, $"The value set of {line.Element} does not have this code.");
            }
        }

        var takesText = line.Type.IsPrimitive || line.Type.Name is "Coding" or "CodeableConcept";
        if (line.Joined is not null && (line.Path is not [.., { Element.IsList: false }] || line.Type.Name is not ("string" or "markdown")))
        {
            Fault(rule, $"Only values of one text can be joined; {line.Element} is a {line.Type.Name}.");
        }

        if (isPlain && !takesText && line.Type.Name != "Reference")
        {
            Fault(rule, $"{line.Element} is a {line.Type.Name}: name the map of the data type, or write a block.");
        }

        if (line.Type.Name == "CodeableConcept" && isPlain && !line.Sources.All(source => source.Kind == SourceKind.Text))
        {
            Fault(rule, $"{line.Element} is a CodeableConcept: name the map (CWE) or the table.");
        }
    }

    private (PathStep[] Steps, FhirType Type, int Outward, string Text)? Path(LineRule rule, FhirType own, string at)
    {
        var outward = -1;
        var text = rule.Path;
        if (text.StartsWith('@'))
        {
            var name = text.Split('.')[0][1..];
            if (!resources.TryGetValue(name, out var other) || rule.Path.Length <= name.Length + 2)
            {
                Fault(rule, $"No segment's map makes a {name}, or the element after it is missing.");
                return null;
            }

            (outward, own, at, text) = (other.Slot, other.Type, name, text[(name.Length + 2)..]);
        }

        if (text == ".")
        {
            return ([], own, outward, at);
        }

        var steps = new List<PathStep>();
        foreach (var step in Divide(text))
        {
            var (name, slice) = step.IndexOf('[', StringComparison.Ordinal) is > 0 and var from && step.EndsWith(']') ? (step[..from], step[(from + 1)..^1]) : (step, null);
            if (!own.Elements.TryGetValue(name, out var element))
            {
                Fault(rule, $"{at} has no element {name}.");
                return null;
            }

            var url = name is "extension" or "modifierExtension" && slice is not null ? UrlOf(slice, own) : null;
            steps.Add(new PathStep(element, slice, url));
            own = element.Type;
            at = $"{at}.{step}";
        }

        return ([.. steps], own, outward, at);
    }

    // The parts of an extension have names of their own.
    private static string UrlOf(string slice, FhirType of) =>
        slice.Contains(':', StringComparison.Ordinal) || of.Name == "Extension" ? slice : ExtensionBase + slice;

    // At dots, but not inside of brackets: a URL has dots.
    private static IEnumerable<string> Divide(string path)
    {
        var (from, depth) = (0, 0);
        for (var i = 0; i < path.Length; i++)
        {
            depth += path[i] == '[' ? 1 : path[i] == ']' ? -1 : 0;
            if (path[i] == '.' && depth == 0)
            {
                yield return path[from..i];
                from = i + 1;
            }
        }

        yield return path[from..];
    }

    private ConditionPlan? Condition(RulePlace place, ConditionRule? rule) => rule is null ? null : new ConditionPlan(
        [.. rule.Any.Select(tests => tests.Select(test => new TestPlan(test.Not, test.Kind, Source(place, test.Source), [.. test.Values], test.Length)).ToArray())]);

    private SourcePlan[] Sources(RulePlace place, IReadOnlyList<SourceRule> rules) => [.. rules.Select(rule => Source(place, rule))];

    private SourcePlan Source(RulePlace place, SourceRule rule)
    {
        switch (rule)
        {
            case FieldSource field:
                return new SourcePlan(SourceKind.Field, rule.Text)
                {
                    Slot = segmentSlot(field.Segment),
                    Field = field.Field,
                    Component = field.Component,
                    Subcomponent = field.Subcomponent,
                    To = field.To,
                };
            case PartSource part:
                return new SourcePlan(SourceKind.Part, rule.Text) { Component = part.Component, Subcomponent = part.Subcomponent, To = part.To };
            case SegmentSource segment:
                return new SourcePlan(SourceKind.Segment, rule.Text) { Slot = segmentSlot(segment.Segment) };
            case TextSource text:
                return new SourcePlan(SourceKind.Text, rule.Text) { Texts = text.Texts, Holes = Sources(place, text.Holes) };
            case ResourceSource { Name: "self" }:
                return new SourcePlan(SourceKind.Self, rule.Text);
            default:
                var name = ((ResourceSource)rule).Name;
                if (!resources.TryGetValue(name, out var resource))
                {
                    faults.Add(new RuleFault(place, $"No segment's map makes a {name}."));
                    resource.Slot = -1;
                }

                return new SourcePlan(SourceKind.Resource, rule.Text) { Slot = resource.Slot };
        }
    }

    private void Fault(LineRule rule, string message) => faults.Add(new RuleFault(rule.Place, message));
}

using System.Collections.Frozen;
using EhrGrains.Fhir.V2.Language;

namespace EhrGrains.Fhir.V2.Compiling;

/// <summary>
/// Rules to plans. Everything that a rule names has to be there: elements, types, tables, maps, conversions, codes of required value
/// sets. Maps are compiled once and refer to each other, so that a type may hold itself.
/// </summary>
internal sealed class RuleCompiler
{
    private readonly List<RuleFault> faults;
    private readonly Dictionary<(string Source, string Target, string? Name), MapPlan> maps = [];
    private readonly Dictionary<string, CodeTable> tables = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> segmentSlots = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (int Slot, FhirType Type)> resources = new(StringComparer.Ordinal);
    private readonly CodeSystemNames systems;
    private readonly RuleSet rules;
    private readonly LineCompiler lines;

    private RuleCompiler(RuleSet rules, List<RuleFault> faults)
    {
        this.rules = rules;
        this.faults = faults;
        systems = new CodeSystemNames(rules.Systems);
        lines = new LineCompiler(faults, FindMap, tables, SegmentSlot, resources, systems);
    }

    /// <summary>Compiles; what is wrong is added to <paramref name="faults"/>.</summary>
    internal static RulePlan Compile(RuleSet rules, List<RuleFault> faults) => new RuleCompiler(rules, faults).Compile();

    private RulePlan Compile()
    {
        foreach (var table in rules.Tables)
        {
            tables[table.Name] = CompileTable(table);
        }

        var bySegment = new Dictionary<string, List<MapPlan>>(StringComparer.Ordinal);
        foreach (var rule in rules.Maps)
        {
            Declare(rule, bySegment);
        }

        var declared = maps.Values.Concat(bySegment.Values.SelectMany(plans => plans)).Distinct().ToList();
        foreach (var plan in declared)
        {
            lines.Compile(plan);
        }

        SegmentSlot("PID");
        var slots = segmentSlots.ToFrozenDictionary(StringComparer.Ordinal);
        var plans = new MapPlan[slots.Count][];
        foreach (var (segment, slot) in slots)
        {
            plans[slot] = [.. bySegment.GetValueOrDefault(segment) ?? []];
        }

        return new RulePlan(
            slots, [.. slots.OrderBy(pair => pair.Value).Select(pair => pair.Key)], SegmentSlot("PID"), resources.Count, plans,
            rules.Ignored.GroupBy(rule => rule.Segment).ToFrozenDictionary(group => group.Key, group => group.Last(), StringComparer.Ordinal),
            systems);
    }

    // The later map of the same head replaces the earlier, at its place: a site's rules come last.
    private void Declare(MapRule rule, Dictionary<string, List<MapPlan>> bySegment)
    {
        if (FhirTypes.FindPath(rule.Target) is not { } target)
        {
            faults.Add(new RuleFault(rule.Place, $"R4 has no type {rule.Target}."));
            return;
        }

        var plan = new MapPlan(rule, target);
        if (!SourceReader.IsSegment(rule.Source))
        {
            maps[(rule.Source, rule.Target, rule.Name)] = plan;
            return;
        }

        if (!target.IsResource)
        {
            faults.Add(new RuleFault(rule.Place, $"A segment makes a resource; {rule.Target} is none. Use a block: {rule.Source} @Patient.contact:"));
            return;
        }

        SegmentSlot(rule.Source);
        var name = rule.Name ?? rule.Target;
        if (!resources.TryGetValue(name, out var resource))
        {
            resources[name] = resource = (resources.Count, target);
        }

        plan.ResourceSlot = resource.Slot;
        if (!bySegment.TryGetValue(rule.Source, out var own))
        {
            bySegment[rule.Source] = own = [];
        }

        var earlier = own.FindIndex(other => other.Rule.Target == rule.Target && other.Rule.Name == rule.Name && other.Structures.SequenceEqual(rule.Structures));
        if (earlier < 0)
        {
            own.Add(plan);
        }
        else
        {
            own[earlier] = plan;
        }
    }

    private int SegmentSlot(string segment) =>
        segmentSlots.TryGetValue(segment, out var slot) ? slot : segmentSlots[segment] = segmentSlots.Count;

    private MapPlan? FindMap(string source, string target, string? name) => maps.GetValueOrDefault((source, target, name));

    private CodeTable CompileTable(TableRule rule)
    {
        var entries = new Dictionary<string, CodeEntry>(StringComparer.OrdinalIgnoreCase);
        CodeEntry? others = null;
        foreach (var entry in rule.Entries)
        {
            var system = entry.System ?? rule.System;
            var made = new CodeEntry(entry.Code == "=" ? entry.From : entry.Code, entry.Display, system is null or "-" ? null : systems.Expand(system));
            if (entry.From == "*")
            {
                others = made;
            }
            else if (!entries.TryAdd(entry.From, made))
            {
                faults.Add(new RuleFault(entry.Place, $"The table {rule.Name} has the code '{entry.From}' already."));
            }
        }

        return new CodeTable(rule, entries.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase), others);
    }
}

using System.Globalization;
using System.Text.RegularExpressions;
using EhrGrains.Fhir.V2;
using EhrGrains.Fhir.V2.Compiling;
using EhrGrains.Fhir.V2.Language;
using EhrGrains.Testing;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>A row of the guide that has a place in FHIR for a field or component.</summary>
/// <param name="Map">The guide's map, for example <c>PID[Patient]</c>.</param>
/// <param name="Part">The field or component: <c>PID-3</c>, <c>CX.1</c>; the segment or type itself where the row is of all of it.</param>
/// <param name="Element">The element, as the guide writes it.</param>
/// <param name="IsConstant">Whether the guide fills it with a text of its own.</param>
/// <param name="IsDiscretion">Whether the guide leaves it to whoever implements it: its condition is in prose alone.</param>
internal sealed record GuideRow(string Map, string Part, string Element, bool IsConstant, bool IsDiscretion)
{
    internal string Source => Map[..Map.IndexOf('[', StringComparison.Ordinal)];

    internal string Target => Map[(Map.IndexOf('[', StringComparison.Ordinal) + 1)..^1];
}

/// <summary>Which rows of the guide there is a rule for, and why not for the others.</summary>
internal static partial class GuideCoverage
{
    /// <summary>The files of rules that say it; or null and the reason why none does.</summary>
    internal readonly record struct Verdict(IReadOnlyList<string> Files, string? Reason);

    private static readonly Lazy<RuleSet> Rules = new(ReadRules);

    internal static IEnumerable<GuideRow> Segments() =>
        Read("segments.tsv", "seg", "target", "field");

    internal static IEnumerable<GuideRow> DataTypes() =>
        Read("datatypes.tsv", "dt", "target", "comp");

    internal static Verdict Judge(GuideRow row)
    {
        var words = Words(row.Element);
        var files = Rules.Value.Maps
            .Where(map => IsOf(map, row))
            .SelectMany(map => Flatten(map.Lines, "").Where(line => Says(line.Line, line.Path, row, words)).Select(line => line.Line.Place.File))
            .Concat(row.IsConstant || row.Part == row.Source ? Constants(row, words) : [])
            .Distinct().Order(StringComparer.Ordinal).ToList();
        return files.Count > 0 ? new Verdict(files, null) : new Verdict([], GuideReasons.For(row) ?? Automatic(row));
    }

    private static string? Automatic(GuideRow row)
    {
        if (row.IsDiscretion)
        {
            return GuideReasons.Discretion;
        }

        var resource = row.Target.Split('-')[0];
        if (FhirTypes.Find(resource) is { } type && Head(row.Element) is { Length: > 0 } head
            && !type.Elements.Keys.Any(name => Fits(name, head)) && head[0] is not '$')
        {
            return GuideReasons.NotInR4;
        }

        var isIgnored = Rules.Value.Maps.Any(map => map.Ignores.Any(ignore => ignore.Sources.Any(source => Names(source, row.Part))));
        return isIgnored ? GuideReasons.Ignored : null;
    }

    // A field may be read by the map of another segment, or of another resource that the element refers to.
    private static bool IsOf(MapRule map, GuideRow row) =>
        row.Part.Contains('.', StringComparison.Ordinal) ? map.Source == row.Source || map.Source is "CWE" && row.Source is "CE" or "CF" or "CNE" or "IS" or "ID" : true;

    private static bool Says(LineRule line, string path, GuideRow row, HashSet<string> words) =>
        line.Sources.Concat(line.Sources.OfType<TextSource>().SelectMany(text => text.Holes)).Any(source => Names(source, row.Part))
        && (line.Path == "." || Words(path).Any(own => words.Any(word => Fits(own, word))) || row.Element.StartsWith('$'));

    private static IEnumerable<string> Constants(GuideRow row, HashSet<string> words) =>
        from map in Rules.Value.Maps
        where map.Source == row.Source
        from line in Flatten(map.Lines, "")
        where line.Line.Sources.Any(source => source is TextSource) && Words(line.Path).Any(own => words.Any(word => Fits(own, word)))
        select line.Line.Place.File;

    private static bool Names(SourceRule source, string part) => source switch
    {
        FieldSource field => part == string.Create(CultureInfo.InvariantCulture, $"{field.Segment}-{field.Field}")
            || (field.To > 0 && part.StartsWith(field.Segment + "-", StringComparison.Ordinal)
                && int.TryParse(part.AsSpan(4), CultureInfo.InvariantCulture, out var number) && number >= field.Field && number <= field.To),
        PartSource { Component: 0 } whole => part.StartsWith(whole.Type + ".", StringComparison.Ordinal) || part == whole.Type,
        PartSource component => Same(part, component.Type, component.Component, component.To),
        SegmentSource segment => part == segment.Segment,
        _ => false,
    };

    // The older types of coded values have the components of CWE.
    private static bool Same(string part, string type, int from, int to)
    {
        var dot = part.IndexOf('.', StringComparison.Ordinal);
        return dot > 0 && int.TryParse(part.AsSpan(dot + 1), CultureInfo.InvariantCulture, out var number)
            && number >= from && number <= Math.Max(from, to)
            && (part[..dot] == type || (type == "CWE" && part[..dot] is "CE" or "CF" or "CNE" or "IS" or "ID"));
    }

    private static bool Fits(string own, string word) =>
        string.Equals(own, word, StringComparison.OrdinalIgnoreCase)
        || (word.Length > 3 && own.StartsWith(word, StringComparison.OrdinalIgnoreCase) && own.Length > word.Length && char.IsUpper(own[word.Length]))
        || (own.Length > 3 && word.StartsWith(own, StringComparison.OrdinalIgnoreCase) && word.Length > own.Length && char.IsUpper(word[own.Length]));

    private static string Head(string element) => Word().Match(element).Value;

    private static HashSet<string> Words(string path) =>
        [.. Word().Matches(Bracket().Replace(path, "")).Select(match => match.Value)];

    // A line of a block with all of its path.
    private static IEnumerable<(LineRule Line, string Path)> Flatten(IEnumerable<LineRule> lines, string at) =>
        lines.SelectMany(line => line.Block is { } block ? Flatten(block, $"{at}.{line.Path}").Prepend((line, $"{at}.{line.Path}")) : [(line, $"{at}.{line.Path}")]);

    private static IEnumerable<GuideRow> Read(string file, string source, string target, string part)
    {
        var lines = File.ReadAllLines(SharedData.Require("v2-to-fhir/compact/" + file));
        var header = lines[0].Split('\t').Select((name, i) => (name, i)).ToDictionary(column => column.name, column => column.i, StringComparer.Ordinal);
        foreach (var line in lines.Skip(1))
        {
            var cells = line.Split('\t');
            if (cells[header["fhir"]].Trim() is { Length: > 0 } element && cells[header[target]].Trim() is { Length: > 0 } resource)
            {
                var of = cells[header[part]].Trim();
                yield return new GuideRow(
                    $"{cells[header[source]]}[{resource}]", of.Length == 0 ? cells[header[source]] : of, element, cells[header["assign"]].Trim().Length > 0,
                    cells[header["condAntlr"]].Trim().Length == 0 && cells[header["condNarrative"]].Trim().Length > 0);
            }
        }
    }

    private static RuleSet ReadRules()
    {
        var faults = new List<RuleFault>();
        var reader = new RuleReader(faults);
        foreach (var (file, text) in SharedRules.All)
        {
            reader.Read(file, text);
        }

        faults.ShouldBeEmpty();
        return reader.Rules;
    }

    [GeneratedRegex("[$A-Za-z][A-Za-z0-9]*", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Word();

    [GeneratedRegex(@"\[[^\]]*\]", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Bracket();
}

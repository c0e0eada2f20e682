namespace EhrGrains.Fhir.V2.Language;

/// <summary>Reads files of rules (docs/decisions/0012): text to rules, with every fault by line.</summary>
internal sealed class RuleReader(List<RuleFault> faults)
{
    private readonly RuleSet rules = new([], [], [], []);
    private RulePlace place;

    // The open blocks: how far the line that opened each is indented, and where its lines go.
    private readonly Stack<(int Indent, List<LineRule> Lines)> open = new();
    private MapRule? map;
    private TableRule? table;

    internal RuleSet Rules => rules;

    internal void Read(string file, string text)
    {
        foreach (var line in RuleLine.ReadAll(file, text))
        {
            place = line.Place;
            if (line.Indent == 0)
            {
                Begin(line);
            }
            else if (table is not null)
            {
                ReadEntry(line, table);
            }
            else if (map is not null)
            {
                ReadLine(line, map);
            }
            else
            {
                Fault("An indented line belongs to a map or a table, which begins at the margin.");
            }
        }

        (map, table) = (null, null);
    }

    private void Fault(string message) => faults.Add(new RuleFault(place, message));

    private void Begin(RuleLine line)
    {
        (map, table) = (null, null);
        open.Clear();
        if (line.TryTake("table"))
        {
            table = ReadTable(line);
        }
        else if (line.TryTake("system"))
        {
            ReadSystem(line);
        }
        else if (line.TryTake("ignore"))
        {
            var ignored = ReadIgnore(line);
            rules.Ignored.AddRange(ignored.Sources.OfType<SegmentSource>().Select(source => new IgnoreSegmentRule(place, source.Segment, ignored.Reason)));
        }
        else
        {
            map = ReadHead(line);
            if (map is not null)
            {
                rules.Maps.Add(map);
                open.Push((0, map.Lines));
            }
        }
    }

    private TableRule ReadTable(RuleLine line)
    {
        var name = line.IsAtEnd ? "" : line.Take().Text;
        var system = line.TryTake("->") && !line.IsAtEnd ? line.Take().Text : null;
        if (name.Length == 0 || !line.IsAtEnd)
        {
            Fault("A table begins with: table NAME -> SYSTEM.");
        }

        var made = new TableRule(place, name, system);
        rules.Tables.Add(made);
        return made;
    }

    private void ReadEntry(RuleLine line, TableRule into)
    {
        var from = line.Take().Text;
        var code = line.IsAtEnd ? null : line.Take().Text;
        var display = !line.IsAtEnd && line.Peek.IsQuoted ? line.Take().Text : null;
        var system = line.IsAtEnd ? null : line.Take().Text;
        if (code is null || !line.IsAtEnd)
        {
            Fault("A line of a table is: code  code-in-the-system  \"display\"  system; display and system may be left out.");
            return;
        }

        into.Entries.Add(new TableEntry(place, from, code == "-" ? null : code, display, system));
    }

    private void ReadSystem(RuleLine line)
    {
        var words = new List<string>();
        while (!line.IsAtEnd)
        {
            words.Add(line.Take().Text);
        }

        if (words.Count < 2)
        {
            Fault("A code system is named by: system NAME … URI.");
            return;
        }

        rules.Systems.AddRange(words[..^1].Select(name => new SystemRule(place, name, words[^1])));
    }

    private MapRule? ReadHead(RuleLine line)
    {
        var source = line.Take().Text;
        var joins = line.TryTake("+>");
        if ((!joins && !line.TryTake("->")) || line.IsAtEnd)
        {
            Fault("At the margin stands a map (PID -> Patient), a table, a system or a segment to ignore.");
            return null;
        }

        var target = line.Take().Text;
        var name = line.TryTake("as") && !line.IsAtEnd ? line.Take().Text : null;
        var structures = new List<string>();
        if (line.TryTake("in"))
        {
            while (!line.IsAtEnd && !line.Peek.Is("if") && !line.Peek.Is("unless"))
            {
                structures.Add(line.Take().Text);
            }
        }

        return new MapRule(place, source, joins, target, name, structures, line.ReadCondition(Fault));
    }

    private void ReadLine(RuleLine line, MapRule into)
    {
        if (line.TryTake("key"))
        {
            var parts = new List<IReadOnlyList<SourceRule>>();
            while (!line.IsAtEnd)
            {
                parts.Add(SourceReader.ReadAlternatives(line.Take(), Fault));
            }

            into.Keys.Add(new KeyRule(place, parts));
            return;
        }

        if (line.TryTake("ignore"))
        {
            into.Ignores.Add(ReadIgnore(line));
            return;
        }

        while (open.Count > 1 && open.Peek().Indent >= line.Indent)
        {
            open.Pop();
        }

        var sources = SourceReader.ReadAlternatives(line.Take(), Fault);
        if (line.IsAtEnd)
        {
            Fault("A line needs an element after its source.");
            return;
        }

        var path = line.Take().Text;
        var isBlock = path.EndsWith(':');
        var how = isBlock ? HowRule.Plain : ReadHow(line);
        var made = new LineRule(place, sources, isBlock ? path[..^1] : path, how, line.ReadCondition(Fault)) { Block = isBlock ? [] : null };
        open.Peek().Lines.Add(made);
        if (made.Block is { } block)
        {
            open.Push((line.Indent, block));
        }
    }

    private IgnoreRule ReadIgnore(RuleLine line)
    {
        var sources = new List<SourceRule>();
        while (!line.IsAtEnd && !line.Peek.IsQuoted)
        {
            if (SourceReader.Read(line.Take(), Fault) is { } source)
            {
                sources.Add(source);
            }
        }

        if (line.IsAtEnd)
        {
            Fault("What is ignored needs a reason in quotation marks at the end.");
            return new IgnoreRule(place, sources, "");
        }

        return new IgnoreRule(place, sources, line.Take().Text);
    }

    private HowRule ReadHow(RuleLine line)
    {
        string? type = null, variant = null, resource = null, named = null, conversion = null, joined = null;
        while (!line.IsAtEnd && !line.Peek.Is("if") && !line.Peek.Is("unless"))
        {
            if (line.TryTake("table"))
            {
                named = line.IsAtEnd ? "" : line.Take().Text;
            }
            else if (line.TryTake("by"))
            {
                conversion = line.IsAtEnd ? "" : line.Take().Text;
            }
            else if (line.TryTake("joined"))
            {
                joined = line.IsAtEnd ? "" : line.Take().Text;
            }
            else if (line.TryTake("->"))
            {
                resource = line.IsAtEnd ? "" : line.Take().Text;
            }
            else if (type is null)
            {
                var words = line.Take().Text.Split(':', 2);
                (type, variant) = (words[0], words.Length > 1 ? words[1] : null);
            }
            else
            {
                Fault($"'{line.Take().Text}' was not expected here.");
            }
        }

        return new HowRule(type, variant, resource, named, conversion, joined);
    }
}

using System.Globalization;
using EhrGrains.Fhir.V2.Compiling;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>
/// Maps one message after another by a compiled plan. First every segment's maps in the order of the message, then the lines that
/// write to other resources, then the references, as a resource may be made after what refers to it. For one thread at a time.
/// </summary>
internal sealed partial class MappingRun : IDisposable
{
    private const int ExceptionsMax = 200;
    private const int ResourcesMax = 100_000;

    // What a message says of itself is not of a patient's record.
    private static readonly HashSet<string> MessageSegments = new(["MSH", "SFT", "UAC", "EVN", "MSA", "ERR", "QAK", "QPD", "QRD", "DSC"], StringComparer.Ordinal);

    private readonly NodePool pool = new();
    private readonly Ledger ledger = new();
    private readonly List<MadeResource> resources = [];
    private readonly List<(MapPlan Map, MadeResource Resource, int Position)> done = [];
    private readonly List<(Node Node, SourcePlan Source, LinePlan Line, int Position, MadeResource From)> links = [];
    private readonly List<MappingException> exceptions = [];
    private readonly HashSet<(string, string)> said = [];
    private readonly Dictionary<(int Patient, string Type, string Id), MadeResource> byId = [];
    private readonly Dictionary<(string Type, string Key), string> madeIds = [];
    private RulePlan plan = null!;
    private ConversionTables tables = null!;
    private Hl7Message message = null!;
    private MappingContext context = null!;
    private string structure = "";
    private int count;
    private int[] slots = [];
    private string[] ids = [];
    private Scope[] scopes = [];
    private List<int>[] bySlot = [];
    private List<MadeResource>[] byName = [];
    private List<RuleStep>? steps;
    private int blocks;

    public void Dispose() => ledger.Dispose();

    internal MappedMessage Run(Hl7Message read, MappingContext of, RulePlan by, ConversionTables lookups, SiteCodes codes)
    {
        (message, context, plan, tables, siteCodes) = (read, of, by, lookups, codes);
        Begin();
        try
        {
            for (var position = 0; position < count; position++)
            {
                RunSegment(position);
            }

            foreach (var (map, resource, position) in done)
            {
                RunOutward(map, resource, position);
            }

            Merge();
            ResolveLinks();
            FindUntaken();
            var (written, envelope) = WriteAll();
            return new MappedMessage(written, [.. exceptions], of.Explain ? Account() : null) { Envelope = envelope };
        }
        finally
        {
            End();
        }
    }

    private void Begin()
    {
        count = message.SegmentCount;
        if (slots.Length < count)
        {
            slots = new int[count * 2];
            ids = new string[count * 2];
            scopes = new Scope[count * 2];
        }

        if (bySlot.Length < plan.BySegment.Length)
        {
            bySlot = [.. Enumerable.Range(0, plan.BySegment.Length).Select(_ => new List<int>())];
        }

        if (byName.Length < plan.ResourceSlots)
        {
            byName = [.. Enumerable.Range(0, plan.ResourceSlots).Select(_ => new List<MadeResource>())];
        }

        var length = 0;
        for (var position = 0; position < count; position++)
        {
            var segment = message.Segment(position);
            ids[position] = IdOf(segment, out var slot);
            slots[position] = slot;
            if (slot >= 0)
            {
                bySlot[slot].Add(position);
            }

            length = Ledger.OffsetOf(message.Segment(0), segment.Raw) + segment.Raw.Length;
        }

        Scope.ReadAll(message, out structure, scopes.AsSpan(0, count));
        ledger.Begin(length, context.Explain);
        steps = context.Explain ? [] : null;
        blocks = 0;
    }

    private void End()
    {
        pool.Clear();
        resources.Clear();
        done.Clear();
        links.Clear();
        exceptions.Clear();
        said.Clear();
        byId.Clear();
        madeIds.Clear();
        scopes.AsSpan(0, count).Clear();
        foreach (var list in bySlot)
        {
            list.Clear();
        }

        foreach (var list in byName)
        {
            list.Clear();
        }

        (message, context) = (null!, null!);
    }

    // Ids are three ASCII letters or digits; those that rules name are there already, so that a run makes none.
    private string IdOf(Hl7Segment segment, out int slot)
    {
        Span<char> id = stackalloc char[3];
        var raw = segment.Id;
        for (var i = 0; i < id.Length; i++)
        {
            id[i] = i < raw.Length ? char.ToUpperInvariant((char)raw[i]) : ' ';
        }

        slot = plan.SegmentSlots.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(id, out var known) ? known : -1;
        return slot < 0 ? new string(id) : plan.SegmentNames[slot];
    }

    private void RunSegment(int position)
    {
        if (slots[position] < 0 || IsLeftOut(position))
        {
            return;
        }

        foreach (var map in plan.BySegment[slots[position]])
        {
            var frame = FrameOf(position);
            if (!map.IsFor(structure))
            {
                continue;
            }

            if (map.When is { } when && !Holds(when, frame))
            {
                SkipMap(map, frame);
                continue;
            }

            var resource = map.Joins ? FindResource(map.ResourceSlot, position) : null;
            if (resource is not null && resource.Position != position && slots[resource.Position] == slots[position])
            {
                // A second segment of the kind that made it is about a second thing.
                resource = null;
            }

            if (resource is null)
            {
                if (resources.Count >= ResourcesMax)
                {
                    Report(MappingExceptionKinds.TooLarge, ids[position], $"A message makes at most {ResourcesMax} resources; the rest is only in the journal.");
                    return;
                }

                resource = Make(map, frame);
                byName[map.ResourceSlot].Add(resource);
            }

            frame.Node = resource.Node;
            frame.Resource = resource;
            frame.Block = ++blocks;
            RunLines(map.Lines, ref frame);
            TakeIgnored(map.Ignores, frame);
            if (map.Outward.Length > 0)
            {
                done.Add((map, resource, position));
            }
        }
    }

    private bool IsLeftOut(int position) => context.OfPatientsOnly && MessageSegments.Contains(ids[position]);

    private void RunOutward(MapPlan map, MadeResource self, int position)
    {
        foreach (var line in map.Outward)
        {
            var frame = FrameOf(position);
            frame.Resource = self;
            frame.Node = self.Node;
            if (FindResource(line.OutwardSlot, position) is not { } other)
            {
                Step(line, frame, RuleFinding.NoResource);
                continue;
            }

            frame.Node = other.Node;
            frame.Block = ++blocks;
            RunLine(line, ref frame);
        }
    }

    private Frame FrameOf(int position) => new() { Position = position, Segment = message.Segment(position) };

    private void Report(string kind, string location, string text)
    {
        if (exceptions.Count < ExceptionsMax && said.Add((kind, location)))
        {
            exceptions.Add(exceptions.Count < ExceptionsMax - 1
                ? new MappingException(kind, location, text)
                : new MappingException(MappingExceptionKinds.TooLarge, "", $"A message reports at most {ExceptionsMax} exceptions: there are more."));
        }
    }

    private string At(int position, int field, int component) =>
        string.Create(CultureInfo.InvariantCulture, $"{Segment(position)}-{field}{(component > 0 ? $".{component}" : "")}");

    private string Segment(int position)
    {
        var occurrence = 0;
        for (var i = 0; i <= position; i++)
        {
            occurrence += ReferenceEquals(ids[i], ids[position]) || ids[i] == ids[position] ? 1 : 0;
        }

        return occurrence == 1 ? ids[position] : string.Create(CultureInfo.InvariantCulture, $"{ids[position]}[{occurrence}]");
    }
}

/// <summary>Where a rule works: the segment, the current value in it, and the element that is being filled.</summary>
internal ref struct Frame
{
    internal Hl7Segment Segment;
    internal int Position;

    /// <summary>The field whose repetition is the current one; 0: none.</summary>
    internal int Field;

    internal Hl7Value Repetition;
    internal Hl7Value Value;

    /// <summary>What the parts of the value are: 0 components, 1 subcomponents, 2 nothing.</summary>
    internal int Depth;

    internal Node Node;
    internal MadeResource Resource;
    internal int Block;
}

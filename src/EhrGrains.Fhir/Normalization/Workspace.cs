using System.Buffers;
using System.Runtime.InteropServices;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Fhir.Normalization;

/// <summary>Bytes that grow, from the shared pool.</summary>
internal sealed class ByteBuffer
{
    private byte[] bytes = [];

    internal int Length { get; private set; }

    internal ReadOnlySpan<byte> Written => bytes.AsSpan(0, Length);

    internal void Append(ReadOnlySpan<byte> data)
    {
        if (data.Length > bytes.Length - Length)
        {
            Grow(data.Length);
        }

        data.CopyTo(bytes.AsSpan(Length));
        Length += data.Length;
    }

    internal void Truncate(int length) => Length = length;

    /// <summary>Forgets the content; what grew beyond the bound goes back to the pool.</summary>
    internal void Reset(int keptMax)
    {
        Length = 0;
        if (bytes.Length > keptMax)
        {
            ArrayPool<byte>.Shared.Return(bytes, clearArray: true);
            bytes = [];
        }
    }

    private void Grow(int needed)
    {
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Length + needed, Math.Max(4096, bytes.Length * 2)));
        Written.CopyTo(larger);
        if (bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(bytes, clearArray: true);
        }

        bytes = larger;
    }
}

/// <summary>A JSON object or array that the pass is inside of.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct Frame
{
    internal Kind Kind;

    /// <summary>Where its property names start on the stack of names.</summary>
    internal int Names;

    /// <summary>The members seen that its rule asks about.</summary>
    internal Seen Seen;

    /// <summary>Whether it is an array.</summary>
    internal bool IsArray;

    /// <summary>The name of a member whose text is marked up, and whether it is RTF (else HTML); empty: none.</summary>
    internal Range MarkedUp;
    internal bool IsRtf;
}

/// <summary>What an object or array is to the rules.</summary>
internal enum Kind : byte
{
    Plain,
    Resource,
    Meta,
    MetaTags,
    MetaTag,
    MetaExtensions,
    Identifiers,
    Identifier,
    IdentifierType,
    MappedClass,
    Search,
    MetaSecurity,
    PatientLinks,
    PatientLink,
    Subject,
}

/// <summary>Members seen in a frame.</summary>
[Flags]
internal enum Seen : byte
{
    None = 0,
    Meta = 1,
    Source = 2,
    Tags = 4,
    Extensions = 8,
    Coding = 16,
    Value = 32,
    MaskedValue = 64,
    Active = 128,
}

/// <summary>How an entry came to be in a page.</summary>
internal enum EntryMode : byte
{
    Unsaid,
    Match,
    Include,
    Outcome,
}

/// <summary>An entry of the page, as ranges of bytes.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct Entry
{
    internal Range Type;
    internal Range Id;
    internal Range Resource;
    internal Range Search;
    internal EntryMode Mode;
    internal bool Match;
    internal bool Replaced;
    internal bool Foreign;
}

/// <summary>
/// What a pass fills: buffers that are kept from page to page and findings. One for each thread; the pass is synchronous, so
/// nobody else can see it, and it is emptied before the next page.
/// </summary>
internal sealed class Workspace
{
    // A page of ordinary size fits; larger buffers are not kept.
    private const int KeptBytesMax = 1 << 20;
    private const int KeptEntriesMax = 1024;

    [ThreadStatic]
    private static Workspace? spare;

    internal readonly ByteBuffer Output = new();
    internal readonly ByteBuffer Ids = new();
    internal readonly ByteBuffer Text = new();
    internal readonly Frame[] Frames = new Frame[Normalizer.DepthMax + 2];
    internal readonly int[] Counts = new int[Rules.Names.Length];
    internal readonly HashSet<string> Patients = [];
    internal readonly HashSet<IdAlias> Aliases = [];
    internal readonly List<Entry> Entries = [];
    internal readonly List<OutcomeIssue> Issues = [];
    internal readonly Dictionary<ulong, int> EntryByKey = [];
    internal ulong[] Names = new ulong[256];
    internal int NameCount;

    /// <summary>Takes the thread's workspace; a caller's callback that normalizes again gets a new one.</summary>
    internal static Workspace Take()
    {
        var taken = spare ?? new Workspace();
        spare = null;
        return taken;
    }

    internal void Return()
    {
        Output.Reset(KeptBytesMax);
        Ids.Reset(KeptBytesMax);
        Text.Reset(KeptBytesMax);
        Array.Clear(Counts);
        Patients.Clear();
        Aliases.Clear();
        Entries.Clear();
        Issues.Clear();
        EntryByKey.Clear();
        NameCount = 0;
        if (Entries.Capacity <= KeptEntriesMax)
        {
            spare = this;
        }
    }

    internal void Count(Rule rule) => Counts[(int)rule]++;

    internal void PushName(ulong mark)
    {
        if (NameCount == Names.Length)
        {
            Array.Resize(ref Names, Names.Length * 2);
        }

        Names[NameCount++] = mark;
    }
}

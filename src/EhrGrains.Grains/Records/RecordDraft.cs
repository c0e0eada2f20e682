using EhrGrains.Contracts.Records;
using EhrGrains.Fhir.Charts;
using EhrGrains.Fhir.Records;
using EhrGrains.Storage.Records;

namespace EhrGrains.Grains.Records;

/// <summary>
/// What is to be committed to one record: new versions over a state that stays as it is until <see cref="Settle"/>. Pure but for that.
/// </summary>
/// <param name="state">The record as it is.</param>
/// <param name="now">When the versions are made; never before the last ones.</param>
internal sealed class RecordDraft(RecordState state, DateTimeOffset now)
{
    private readonly Dictionary<RecordKey, ChartResource> latest = [];
    private readonly List<ChartWrite> writes = [];
    private readonly Dictionary<string, long[]> marks = new(state.Head.Marks, StringComparer.Ordinal);
    private bool marked;
    private long resources = state.Head.Resources;
    private long bytes = state.Head.Bytes;

    internal DateTimeOffset At { get; } = Later(now, state.Head.At);

    /// <summary>Versions that are to be written.</summary>
    internal int Written => writes.Count;

    /// <summary>Resources that said nothing new.</summary>
    internal int Unchanged { get; private set; }

    internal bool IsEmpty => writes.Count == 0 && !marked;

    internal IReadOnlyList<ChartWrite> Writes => writes;

    private PatientId Patient => state.Head.Patient;

    /// <summary>How meta.source names a source.</summary>
    internal static string Uri(RecordSource source) =>
        source.Position == 0 ? $"urn:ehrgrains:{source.Name}" : $"urn:ehrgrains:feed:{source.Name}#{source.Position}";

    /// <summary>Takes what a message or a page says; nothing if it was taken before.</summary>
    internal void Apply(RecordInput input)
    {
        if (!input.Late && !TryMark(input.Source))
        {
            Unchanged += input.Resources.Length;
            return;
        }

        foreach (var said in input.Resources)
        {
            var key = new RecordKey(said.Type, said.Id);
            var current = Find(key);
            var (content, version) = (current?.Content ?? default, (current?.Version ?? 0) + 1);
            var later = input.Late && !content.IsEmpty ? LaterThan(input.Source, content) : null;

            // What fills gaps keeps the name of the later message, so that it counts as older the next time too.
            var stamp = new VersionStamp(version, At, later ?? Uri(input.Source));
            var laid = input.Complete && (content.IsEmpty || ResourceOverlay.SourceOf(content) == stamp.Source)
                ? ResourceOverlay.Replace(said.Type, content, said.Json, stamp)
                : ResourceOverlay.Lay(said.Type, content, said.Json, said.Deleted, fillOnly: later is not null, stamp);
            if (laid is null)
            {
                Unchanged++;
            }
            else
            {
                Add(key, version, content.IsEmpty && version == 1 ? ChangeKind.Created : ChangeKind.Updated, input.Source, laid);
            }
        }

        Array.ForEach(input.Gone, key => Remove(key, ChangeKind.Deleted, input.Source));
    }

    /// <summary>Takes note of a message; false when the record has taken it before.</summary>
    internal bool TryMark(RecordSource source)
    {
        if (source.Position == 0)
        {
            return true;
        }

        if (RecordMarks.Has(marks, source))
        {
            return false;
        }

        marks[source.Name] = RecordMarks.With(marks.GetValueOrDefault(source.Name), source);
        return marked = true;
    }

    /// <summary>Takes note of what another record has taken, which becomes this one's.</summary>
    internal void TakeMarks(IReadOnlyDictionary<string, long[]> others)
    {
        foreach (var (feed, positions) in others)
        {
            marks[feed] = RecordMarks.Union(marks.GetValueOrDefault(feed), positions);
        }
    }

    /// <summary>Puts a resource as it is; its versions go on where they were, here or where it comes from.</summary>
    internal void Put(RecordKey key, ReadOnlyMemory<byte> content, int versionElsewhere, ChangeKind kind, RecordSource source)
    {
        var version = Math.Max(Find(key)?.Version ?? 0, versionElsewhere) + 1;
        Add(key, version, kind, source, ResourceOverlay.Restamp(key.Type, content, new VersionStamp(version, At, Uri(source))));
    }

    /// <summary>Gives a resource what it has not; makes it if it is not there.</summary>
    internal void Fill(RecordKey key, ReadOnlyMemory<byte> content, RecordSource source)
    {
        var current = Find(key);
        var (there, version) = (current?.Content ?? default, (current?.Version ?? 0) + 1);
        if (ResourceOverlay.Lay(key.Type, there, content, [], fillOnly: true, new VersionStamp(version, At, Uri(source))) is { } laid)
        {
            Add(key, version, version == 1 ? ChangeKind.Created : ChangeKind.Updated, source, laid);
        }
    }

    /// <summary>Leaves a resource without content: it is deleted, or has moved.</summary>
    internal void Remove(RecordKey key, ChangeKind kind, RecordSource source)
    {
        if (Find(key) is { Content.IsEmpty: false } current)
        {
            Add(key, current.Version + 1, kind, source, default);
        }
    }

    /// <summary>The current version of a resource as it will be.</summary>
    internal ChartResource? Find(RecordKey key) => latest.GetValueOrDefault(key) ?? state.Find(key);

    /// <summary>The head as it is to be.</summary>
    internal ChartHead Head() => state.Head with { Version = state.Head.Version + 1, At = At, Marks = marks, Resources = resources, Bytes = bytes };

    /// <summary>It is committed: the state becomes what was drafted.</summary>
    internal void Settle(ChartHead head)
    {
        state.Head = head;
        state.Put(latest.Values);
    }

    private void Add(RecordKey key, int version, ChangeKind kind, RecordSource source, ReadOnlyMemory<byte> content)
    {
        var before = Find(key)?.Content ?? default;
        var resource = new ChartResource(key.Type, key.Id, version, At, kind, source.ToString(), content);
        var (added, removed) = ChartTerms.Between(key.Type, before, content);
        writes.Add(new ChartWrite(Patient, resource) { Added = [.. added.Select(TermOf)], Removed = [.. removed.Select(TermOf)] });
        latest[key] = resource;
        resources += (content.IsEmpty ? 0 : 1) - (before.IsEmpty ? 0 : 1);
        bytes += content.Length - before.Length;
    }

    private static IndexTerm TermOf(ChartTerm term) => new(term.Parameter, term.Value);

    /// <summary>The source of what is there, if that is a later message of the same feed, or from elsewhere, which is later for all that is known.</summary>
    private static string? LaterThan(RecordSource source, ReadOnlyMemory<byte> content)
    {
        var last = ResourceOverlay.SourceOf(content);
        var feed = $"urn:ehrgrains:feed:{source.Name}#";
        var earlier = last is null
            || (last.StartsWith(feed, StringComparison.Ordinal)
                && long.TryParse(last.AsSpan(feed.Length), System.Globalization.CultureInfo.InvariantCulture, out var position)
                && position <= source.Position);
        return earlier ? null : last;
    }

    private static DateTimeOffset Later(DateTimeOffset now, DateTimeOffset last)
    {
        var whole = now.AddTicks(-(now.Ticks % TimeSpan.TicksPerMicrosecond));
        return whole > last ? whole : last.AddTicks(TimeSpan.TicksPerMicrosecond);
    }
}

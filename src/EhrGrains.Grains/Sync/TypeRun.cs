using EhrGrains.Contracts;
using EhrGrains.Contracts.Sync;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Sync;

/// <summary>A cursor with what it says opened.</summary>
internal sealed record OpenCursor(SyncTypeStatus Status, long Version, CursorPosition? Position, KnownResources Known, IReadOnlyList<byte[]> Seen);

/// <summary>What a commit makes of a cursor, before it is sealed.</summary>
internal sealed record CursorDelta(SyncTypeStatus Status, long Version, byte[]? Position, byte[]? Known, byte[]? Seen, bool ForgetSeen);

/// <summary>
/// The run of one resource type of one patient: takes pages, says what of them is to be laid into the record, and what the cursor becomes
/// in the same commit. Whatever was not committed is forgotten with it: after a commit that failed it is read again. Does no I/O.
/// </summary>
internal sealed partial class TypeRun
{
    /// <summary>How often the searches of a run may begin again because the EHR ended them.</summary>
    internal const int ExpiriesMax = 5;

    /// <summary>The most pages of one search.</summary>
    internal const int PagesMax = 10_000;

    private const int ReasonsMax = 16;

    // In place of a content's hash: it is not there; it could not be read this time; it came from another patient's copy.
    private static readonly UInt128 Missed = 0;
    private static readonly UInt128 Deferred = UInt128.MaxValue;
    private static readonly UInt128 TakenOver = 1;

    private readonly string patient;
    private readonly KnownResources known;
    private readonly Dictionary<string, UInt128> seen = new(StringComparer.Ordinal);
    private readonly HashSet<string> referred = new(StringComparer.Ordinal);
    private readonly Dictionary<string, UInt128> seenNew = new(StringComparer.Ordinal);
    private readonly HashSet<string> referredNew = new(StringComparer.Ordinal);
    private readonly HashSet<UInt128> pages = [];
    private readonly HashSet<string> deferred = new(StringComparer.Ordinal);
    private Problem? deferredFor;
    private SyncTypeStatus status;
    private long version;
    private bool knownChanged;
    private bool forget;

    internal TypeRun(string patient, SyncTypeRules rules, OpenCursor cursor)
    {
        (this.patient, Rules, status, version, Position, known) = (patient, rules, cursor.Status, cursor.Version, cursor.Position, cursor.Known);
        foreach (var part in cursor.Seen)
        {
            SeenPart.Read(part, seen, referred);
        }
    }

    internal string Type => status.Type;

    internal SyncTypeRules Rules { get; }

    internal SyncTypeStatus Status => status;

    /// <summary>Where the run has got to; null: none is under way.</summary>
    internal CursorPosition? Position { get; private set; }

    /// <summary>Whether there is something to commit.</summary>
    internal bool IsDirty { get; private set; }

    /// <summary>Resources that something refers to and that are not known, to be read by their ids.</summary>
    internal IReadOnlyList<string> Referred => [.. referred.Where(id => !known.ById.ContainsKey(id) && !seen.ContainsKey(id) && !deferred.Contains(id))];

    /// <summary>
    /// Whether what is referred to is to be read, or has been read by a turn that was cut off before it could say so. A search that is
    /// under way may find it yet.
    /// </summary>
    internal bool IsToFollow => Rules.Strategy == SyncStrategy.ByReference
        ? Referred.Count > 0 || Position is { IsBulk: false }
        : Position is null && (Referred.Count > 0 || seen.Count > 0);

    /// <summary>Whether there are more resources than are copied.</summary>
    internal bool IsTooLarge => seen.Count > KnownResources.CountMax;

    /// <summary>A cursor that was never used.</summary>
    internal static OpenCursor New(string type) => new(
        new SyncTypeStatus { Type = type, Mode = SyncMode.Crawl, IsComplete = false, Counts = new SyncCounts() }, 0, null, new KnownResources(), []);

    /// <summary>Begins a run, or goes on with the one that is under way.</summary>
    /// <param name="now">The time.</param>
    /// <param name="isWhole">Whether everything is to be read in any case.</param>
    /// <param name="recrawl">After how long everything is to be read again.</param>
    /// <param name="scope">What is searched.</param>
    internal void Begin(DateTimeOffset now, bool isWhole, TimeSpan recrawl, ulong scope)
    {
        if (Position is { IsBulk: false } under && under.Scope == scope)
        {
            return;
        }

        var whole = isWhole || Rules.Strategy == SyncStrategy.Crawl || known.WholeAt is not { } at || now - at >= recrawl
            || known.Scope != scope || status.Watermark is null;
        Start(new CursorPosition { StartedAt = now, IsWhole = whole, Scope = scope });
        status = status with { Mode = whole ? SyncMode.Crawl : Rules.Strategy == SyncStrategy.DateWindow ? SyncMode.DateWindow : SyncMode.LastUpdated };
    }

    /// <summary>Begins to read by reference, where something is referred to.</summary>
    internal void BeginReferred(DateTimeOffset now)
    {
        if (Rules.Strategy == SyncStrategy.ByReference && Position is null)
        {
            Position = new CursorPosition { StartedAt = now, IsWhole = false, Scope = 0 };
            status = status with { Mode = SyncMode.ByReference, IsComplete = false, Counts = new SyncCounts(), Problem = null };
            IsDirty = true;
        }
    }

    /// <summary>Begins to take a bulk export, in place of whatever was under way.</summary>
    internal void BeginBulk(DateTimeOffset now, bool isWhole)
    {
        if (Position is not { IsBulk: true })
        {
            Start(new CursorPosition { StartedAt = now, IsWhole = isWhole, Scope = known.Scope, IsBulk = true });
        }
    }

    /// <summary>Takes a page.</summary>
    /// <returns>Its resources that are new or changed; null: the EHR sends the same pages again and again.</returns>
    internal IReadOnlyList<SyncEntry>? Take(SyncPage page)
    {
        var position = Position!;
        if (page.Entries.Count > 0 && !pages.Add(Digest(page)))
        {
            return null;
        }

        var changed = Take(page.Entries);
        var newest = page.Entries.Max(entry => entry.Facts.LastUpdated);
        Position = position with
        {
            Newest = newest > (position.Newest ?? DateTimeOffset.MinValue) ? newest : position.Newest,
            SearchSaid = page.Total ?? position.SearchSaid,
            SearchMatches = position.SearchMatches + page.Entries.Count,
            IsIncomplete = position.IsIncomplete || page.IsIncomplete,
        };
        Count(counts => counts with { Pages = counts.Pages + 1 });
        return changed;
    }

    /// <summary>Takes resources, from wherever they came.</summary>
    /// <returns>Those that are new or changed.</returns>
    internal IReadOnlyList<SyncEntry> Take(IReadOnlyList<SyncEntry> entries)
    {
        var changed = new List<SyncEntry>(entries.Count);
        var (fetched, unchanged) = (0, 0);
        foreach (var entry in entries)
        {
            var facts = entry.Facts;
            if (facts.Patient is { } other && other != patient)
            {
                Quarantine("other-patient");
                continue;
            }

            if (seen.TryGetValue(facts.Id, out var before) && before == facts.Hash)
            {
                continue;
            }

            if (seen.TryAdd(facts.Id, facts.Hash))
            {
                fetched++;
            }

            seen[facts.Id] = seenNew[facts.Id] = facts.Hash;
            if (known.ById.TryGetValue(facts.Id, out var one) && one.Hash == facts.Hash)
            {
                unchanged++;
            }
            else
            {
                changed.Add(entry);
            }
        }

        Count(counts => counts with { Fetched = counts.Fetched + fetched, Unchanged = counts.Unchanged + unchanged, Stored = counts.Stored + changed.Count });
        return changed;
    }

    /// <summary>Goes on behind the page that was taken.</summary>
    /// <param name="next">The EHR's link to the next page; null: the search is over.</param>
    /// <param name="searches">How many searches the type has.</param>
    /// <returns>Whether the last search is over.</returns>
    internal bool Advance(string? next, int searches)
    {
        var position = Position!;
        IsDirty = true;
        if (next is not null)
        {
            Position = position with { Next = next, Page = position.Page + 1 };
            return false;
        }

        pages.Clear();
        Position = position with
        {
            Search = position.Search + 1,
            Next = null,
            Page = 0,
            Said = position.Said + position.SearchSaid,
            Matches = position.Matches + position.SearchMatches,
            SearchSaid = null,
            SearchMatches = 0,
        };
        return Position.Search >= searches;
    }

    /// <summary>The EHR has ended the search: it begins again. What was seen stays seen.</summary>
    /// <returns>False: that has happened too often.</returns>
    internal bool Restart()
    {
        pages.Clear();
        IsDirty = true;
        Position = Position! with { Next = null, Page = 0, SearchSaid = null, SearchMatches = 0, Expiries = Position.Expiries + 1 };
        return Position.Expiries <= ExpiriesMax;
    }

    /// <summary>Something refers to resources of this type.</summary>
    internal void Refer(IEnumerable<string> ids)
    {
        foreach (var id in ids.Where(id => !known.ById.ContainsKey(id) && !seen.ContainsKey(id) && referred.Add(id)))
        {
            referredNew.Add(id);
            IsDirty = true;
        }
    }

    /// <summary>A resource is not taken; it is known, so that it is not read again.</summary>
    internal void Quarantine(string id, UInt128 hash, string reason)
    {
        seen[id] = seenNew[id] = hash;
        Quarantine(reason);
    }

    /// <summary>A resource that something refers to is not there; it is looked for again when something refers to it anew.</summary>
    internal void Miss(string id, string reason)
    {
        seen[id] = seenNew[id] = Missed;
        Count(counts => counts with { Missing = counts.Missing + 1, Reasons = With(counts.Reasons, reason) });
    }

    /// <summary>A resource that something refers to could not be read; it is asked for again the next time.</summary>
    internal void Defer(string id, Problem why)
    {
        seen[id] = seenNew[id] = Deferred;
        deferred.Add(id);
        deferredFor = why;
        Count(counts => counts with { Missing = counts.Missing + 1, Reasons = With(counts.Reasons, "not-readable-now") });
    }

    /// <summary>Takes on what another patient's cursor knows, to be compared with whatever is read next.</summary>
    internal void TakeOver(KnownResources other, DateTimeOffset now)
    {
        foreach (var (id, one) in other.ById)
        {
            if (known.ById.TryAdd(id, new KnownResource(TakenOver, 0, one.IsHydrated)))
            {
                knownChanged = IsDirty = true;
            }
        }

        // What only references lead to is not searched for: with nothing to follow, nothing would ever say that it is all there.
        if (IsDirty && Rules.Strategy == SyncStrategy.ByReference && version == 0 && referred.Count == 0)
        {
            status = status with { Mode = SyncMode.ByReference, IsComplete = true, CompletedAt = now, FinishedAt = now };
        }
    }

    /// <summary>The record knew some of what was taken.</summary>
    internal void CorrectUnchanged(int unchanged)
    {
        if (unchanged > 0)
        {
            Count(counts => counts with { Stored = Math.Max(0, counts.Stored - unchanged), Unchanged = counts.Unchanged + unchanged });
        }
    }

    /// <summary>What the next commit makes of the cursor.</summary>
    internal CursorDelta Delta() => new(
        status,
        version + 1,
        Position?.Write(),
        knownChanged ? known.Write() : null,
        seenNew.Count + referredNew.Count > 0 ? SeenPart.Write(seenNew, referredNew) : null,
        forget);

    /// <summary>It is committed.</summary>
    internal void Settle()
    {
        version++;
        seenNew.Clear();
        referredNew.Clear();
        (knownChanged, forget, IsDirty) = (false, false, false);
    }

    private void Start(CursorPosition position)
    {
        Position = position;
        pages.Clear();

        // What is referred to is not a part of the run that was given up.
        seen.Clear();
        seenNew.Clear();
        referredNew.UnionWith(referred);
        (forget, IsDirty) = (true, true);
        status = status with { Counts = new SyncCounts(), Problem = null, IsComplete = false };
    }

    private void Quarantine(string reason) => Count(counts => counts with { Quarantined = counts.Quarantined + 1, Reasons = With(counts.Reasons, reason) });

    private void Count(Func<SyncCounts, SyncCounts> change)
    {
        status = status with { Counts = change(status.Counts) };
        IsDirty = true;
    }

    private static Dictionary<string, int> With(Dictionary<string, int> reasons, string reason)
    {
        var more = new Dictionary<string, int>(reasons, StringComparer.Ordinal);
        if (more.Count < ReasonsMax || more.ContainsKey(reason))
        {
            more[reason] = more.GetValueOrDefault(reason) + 1;
        }

        return more;
    }

    private static UInt128 Digest(SyncPage page)
    {
        var digest = (UInt128)page.Entries.Count;
        foreach (var entry in page.Entries)
        {
            digest = unchecked((digest * 31) + entry.Facts.Hash);
        }

        return digest;
    }
}

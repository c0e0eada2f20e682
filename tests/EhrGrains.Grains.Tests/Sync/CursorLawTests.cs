using CsCheck;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Sync;

namespace EhrGrains.Grains.Tests.Sync;

/// <summary>
/// The law of the cursor: whatever pages, crashes, ended searches, repeats and empty pages there are, the copy becomes what the hospital
/// has, and what never changed is written once.
/// </summary>
public sealed class CursorLawTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly Gen<Visit> Visits =
        from added in Gen.Int[0, 6]
        from changed in Gen.Int[0, 3]
        from deleted in Gen.Int[0, 3]
        from pageSize in Gen.Int[1, 4]
        from seed in Gen.Int
        from mishaps in Gen.Int[0, 9].Array[0, 12]
        select new Visit(added, changed, deleted, pageSize, seed, mishaps);

    [Fact]
    public void The_copy_becomes_what_the_hospital_has() => Visits.Array[1, 6].Sample(
        visits =>
        {
            var world = new World(commitsCursorFirst: false);
            foreach (var visit in visits)
            {
                world.Run(visit);
            }

            return world.IsRight;
        },
        iter: 2_000,
        print: visits => string.Join("; ", visits.Select(v => $"{v} {string.Join(' ', v.Mishaps)}")));

    [Fact]
    public void A_cursor_that_advances_before_its_page_is_committed_breaks_the_law() => Should.Throw<CsCheckException>(() => Visits.Array[1, 6].Sample(
        visits =>
        {
            var world = new World(commitsCursorFirst: true);
            foreach (var visit in visits)
            {
                world.Run(visit);
            }

            return world.IsRight;
        },
        iter: 2_000));

    [Theory]
    [InlineData(SyncStrategy.ByReference)]
    [InlineData(SyncStrategy.LastUpdated)]
    public void What_was_referred_to_and_read_is_finished_by_the_next_turn_when_this_one_was_cut_off(SyncStrategy strategy)
    {
        var rules = new SyncTypeRules { Strategy = strategy };
        var cut = new TypeRun("p", rules, TypeRun.New("Binary"));
        cut.Refer(["b1", "b2"]);
        cut.BeginReferred(Start);
        cut.Take([.. cut.Referred.Select(id => new SyncEntry(new ResourceFacts("Binary", id, null, null, 7, []), default))]);
        var committed = cut.Delta();

        var next = new TypeRun("p", rules, Reopen(TypeRun.New("Binary"), committed));
        next.Referred.ShouldBeEmpty();
        next.IsToFollow.ShouldBeTrue();
        next.FinishReferred(Start.AddSeconds(1));
        (next.IsToFollow, next.Status.FinishedAt).ShouldBe((false, Start.AddSeconds(1)));
        next.Status.IsComplete.ShouldBe(strategy == SyncStrategy.ByReference);
    }

    [Fact]
    public void What_a_merged_patient_s_references_led_to_is_complete_in_the_survivor_s_cursor_that_was_never_used()
    {
        var known = new KnownResources();
        known.ById["b1"] = new KnownResource(7, 0, IsHydrated: true);
        var survivor = new TypeRun("p", new SyncTypeRules { Strategy = SyncStrategy.ByReference }, TypeRun.New("Binary"));

        survivor.TakeOver(known, Start);

        (survivor.Status.IsComplete, survivor.IsToFollow, survivor.IsDirty).ShouldBe((true, false, true));
    }

    // As the tables do: what is known and seen stays unless something else is said.
    private static OpenCursor Reopen(OpenCursor stored, CursorDelta delta) => new(
        delta.Status,
        delta.Version,
        CursorPosition.Read(delta.Position),
        delta.Known is null ? stored.Known : KnownResources.Read(delta.Known),
        [.. delta.ForgetSeen ? [] : stored.Seen, .. delta.Seen is null ? Array.Empty<byte[]>() : [delta.Seen]]);

    /// <summary>What happens at the hospital, and then while it is read.</summary>
    private sealed record Visit(int Added, int Changed, int Deleted, int PageSize, int Seed, int[] Mishaps);

    /// <summary>A hospital, a store that commits a record and a cursor at once, and a run between them that may die anywhere.</summary>
    private sealed class World(bool commitsCursorFirst)
    {
        private static readonly SyncTypeRules Rules = new()
        {
            Strategy = SyncStrategy.LastUpdated,
            Searches = [new Dictionary<string, string> { ["category"] = "a" }, new Dictionary<string, string> { ["category"] = "b" }],
            OverlapSeconds = 60,
        };

        private readonly Dictionary<string, (UInt128 Content, DateTimeOffset At)> hospital = [];
        private readonly Dictionary<string, UInt128> record = [];
        private readonly Dictionary<string, int> writes = [];
        private OpenCursor stored = TypeRun.New("Observation");
        private DateTimeOffset now = Start;
        private int ids;
        private UInt128 contents;
        private bool isOverwritten;

        internal bool IsRight =>
            !isOverwritten && record.Count == hospital.Count && hospital.All(one => record.TryGetValue(one.Key, out var content) && content == one.Value.Content);

        internal void Run(Visit visit)
        {
            now = now.AddHours(1);
            Change(visit);
            var mishaps = new Queue<int>(visit.Mishaps);
            var begun = now;

            // A run that dies goes on from what is stored, until one comes to its end.
            while (stored.Status.FinishedAt is not { } ended || ended < begun)
            {
                now = now.AddSeconds(1);
                Turn(visit, mishaps);
            }

            // Deletions are found by reading everything: two absences.
            for (var round = 0; round < 2 && visit.Deleted > 0; round++)
            {
                now = now.AddDays(8);
                Turn(visit, new Queue<int>());
            }
        }

        private void Change(Visit visit)
        {
            var random = new Random(visit.Seed);
            for (var i = 0; i < visit.Added; i++)
            {
                hospital[$"o{ids++}"] = (++contents, now);
            }

            foreach (var id in hospital.Keys.OrderBy(_ => random.Next()).Take(visit.Changed).ToArray())
            {
                hospital[id] = (++contents, now);
            }

            foreach (var id in hospital.Keys.OrderBy(_ => random.Next()).Take(visit.Deleted).ToArray())
            {
                hospital.Remove(id);
            }
        }

        private void Turn(Visit visit, Queue<int> mishaps)
        {
            // As it is read anew: nothing of a run that died is left.
            var run = new TypeRun("p", Rules, stored with { Known = KnownResources.Read(stored.Known.Write()) });
            run.Begin(now, isWhole: false, TimeSpan.FromDays(7), 1);
            while (true)
            {
                var mishap = mishaps.TryDequeue(out var one) ? one : 9;
                if (mishap == 0)
                {
                    run.Restart();
                    continue;
                }

                var page = PageOf(run, visit, isEmpty: mishap == 1, isRepeating: mishap == 2);
                var changed = run.Take(page);
                if (changed is null)
                {
                    // The same page again is an answer that repeats itself; it is asked for once more.
                    return;
                }

                var isOver = run.Advance(page.Next, Rules.Searches.Count);
                var gone = isOver ? run.Finish(now, absencesMax: 2) : [];
                if (mishap == 3)
                {
                    return; // It dies before the commit.
                }

                var delta = run.Delta();
                if (commitsCursorFirst && mishap == 4)
                {
                    Store(delta);
                    return; // It dies between the two commits.
                }

                Commit(changed, gone);
                Store(delta);
                run.Settle();
                if (mishap == 5)
                {
                    return; // It dies after the commit and does not know of it.
                }

                if (isOver)
                {
                    return;
                }
            }
        }

        private void Commit(IReadOnlyList<SyncEntry> changed, IReadOnlyList<string> gone)
        {
            foreach (var entry in changed)
            {
                record[entry.Facts.Id] = entry.Facts.Hash;
                writes[$"{entry.Facts.Id} {entry.Facts.Hash}"] = writes.GetValueOrDefault($"{entry.Facts.Id} {entry.Facts.Hash}") + 1;
            }

            foreach (var id in gone)
            {
                isOverwritten |= hospital.ContainsKey(id);
                record.Remove(id);
            }
        }

        private void Store(CursorDelta delta)
        {
            delta.Version.ShouldBe(stored.Version + 1);
            stored = Reopen(stored, delta);
        }

        // The searches divide what there is; each has pages with links, and matches that changed since the watermark.
        private SyncPage PageOf(TypeRun run, Visit visit, bool isEmpty, bool isRepeating)
        {
            var position = run.Position!;
            var since = position.IsWhole ? DateTimeOffset.MinValue : run.Status.Watermark!.Value.AddSeconds(-Rules.OverlapSeconds);
            var matches = hospital.Where(one => one.Key[^1] % 2 == position.Search && one.Value.At >= since).OrderBy(one => one.Key, StringComparer.Ordinal).ToArray();
            var from = position.Next is null ? 0 : int.Parse(position.Next.Split('-')[0], System.Globalization.CultureInfo.InvariantCulture);
            if (isEmpty)
            {
                // A page without matches and with a link, as Epic and Oracle Health have them.
                return new SyncPage { Entries = [], Next = $"{from}-e{position.Page}" };
            }

            var entries = matches.Skip(isRepeating ? Math.Max(0, from - 1) : from).Take(visit.PageSize + (isRepeating ? 1 : 0))
                .Select(one => new SyncEntry(new ResourceFacts("Observation", one.Key, "p", one.Value.At, one.Value.Content, []), default)).ToArray();
            var next = from + visit.PageSize;
            return new SyncPage { Entries = entries, Next = next < matches.Length ? $"{next}-{position.Page}" : null };
        }
    }
}

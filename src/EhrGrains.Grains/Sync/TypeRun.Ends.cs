using EhrGrains.Contracts;
using EhrGrains.Contracts.Sync;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Sync;

/// <summary>How runs end, and what is known then.</summary>
internal sealed partial class TypeRun
{
    /// <summary>All searches are over.</summary>
    /// <returns>What counts as deleted from now on.</returns>
    internal IReadOnlyList<string> Finish(DateTimeOffset now, int absencesMax)
    {
        var position = Position!;
        var missing = Math.Max(0, (position.Said ?? 0) - position.Matches);
        var isComplete = !position.IsIncomplete && missing == 0;
        var gone = isComplete && position.IsWhole && (known.WholeAt is null || position.Scope == known.Scope) ? CountAbsences(absencesMax) : [];
        TakeSeen(isHydrated: false);
        foreach (var id in gone)
        {
            known.ById.Remove(id);
        }

        if (isComplete && position.IsWhole)
        {
            (known.WholeAt, known.Scope) = (position.StartedAt, position.Scope);
        }

        status = status with
        {
            IsComplete = isComplete,
            Counts = status.Counts with { Said = position.Said, Missing = missing, Deleted = status.Counts.Deleted + gone.Count },
            Watermark = isComplete ? WatermarkAfter(position) : status.Watermark,
            CompletedAt = isComplete ? now : status.CompletedAt,
            Problem = isComplete ? null : SyncProblems.Incomplete(missing),
        };
        End(now);
        return gone;
    }

    /// <summary>What was referred to has been read, as far as it can be.</summary>
    internal void FinishReferred(DateTimeOffset now)
    {
        TakeSeen(isHydrated: true);
        referred.Clear();
        referred.UnionWith(seen.Where(one => one.Value == Deferred).Select(one => one.Key));
        if (Rules.Strategy == SyncStrategy.ByReference || referred.Count > 0)
        {
            var isComplete = status.Counts.Missing == 0;
            status = status with
            {
                IsComplete = isComplete,
                CompletedAt = isComplete ? now : status.CompletedAt,
                Problem = isComplete ? null : deferredFor ?? SyncProblems.Incomplete(status.Counts.Missing),
            };
        }

        End(now);
    }

    /// <summary>The bulk export has said all of this patient: resources of this type that it did not name are absent.</summary>
    internal IReadOnlyList<string> FinishBulk(DateTimeOffset at, DateTimeOffset now, int absencesMax)
    {
        var gone = Position!.IsWhole ? CountAbsences(absencesMax) : [];
        TakeSeen(isHydrated: false);
        foreach (var id in gone)
        {
            known.ById.Remove(id);
        }

        known.WholeAt = Position.IsWhole ? at : known.WholeAt;
        status = status with
        {
            IsComplete = true,
            CompletedAt = now,
            Watermark = at,
            Counts = status.Counts with { Deleted = status.Counts.Deleted + gone.Count },
            Problem = null,
        };
        End(now);
        return gone;
    }

    /// <summary>A source says that a resource is deleted.</summary>
    internal void Delete(string id)
    {
        knownChanged |= known.ById.Remove(id);
        Count(counts => counts with { Deleted = counts.Deleted + 1 });
    }

    /// <summary>The run ends without having read everything.</summary>
    internal void Fail(Problem problem, DateTimeOffset now)
    {
        TakeSeen(isHydrated: false);
        status = status with { IsComplete = false, Problem = problem };
        End(now);
    }

    /// <summary>The EHR does not have the type at all.</summary>
    /// <returns>False: it had it before.</returns>
    internal bool TryEndNotServed(DateTimeOffset now)
    {
        if (known.ById.Count + seen.Count > 0)
        {
            return false;
        }

        status = status with { IsComplete = true, CompletedAt = now, Problem = null, Counts = new SyncCounts { Reasons = new() { ["not-served"] = 1 } } };
        End(now);
        return true;
    }

    /// <summary>The run stops here for now and goes on at the next time.</summary>
    internal void PutOff(Problem problem, DateTimeOffset now)
    {
        status = status with { IsComplete = false, Problem = problem, FinishedAt = now };
        IsDirty = true;
    }

    private void End(DateTimeOffset now)
    {
        status = status with { FinishedAt = now };
        Position = null;
        seen.Clear();
        seenNew.Clear();
        referred.RemoveWhere(known.ById.ContainsKey);
        referredNew.Clear();
        referredNew.UnionWith(referred);
        (forget, IsDirty) = (true, true);
    }

    private void TakeSeen(bool isHydrated)
    {
        foreach (var (id, hash) in seen.Where(one => one.Value != Missed && one.Value != Deferred))
        {
            var now = new KnownResource(hash, 0, isHydrated);
            if (!known.ById.TryGetValue(id, out var before) || before != now)
            {
                known.ById[id] = now;
                knownChanged = true;
            }
        }
    }

    // A search cannot be expected to find what only a reference has led to.
    private List<string> CountAbsences(int absencesMax)
    {
        var gone = new List<string>();
        foreach (var (id, one) in known.ById.Where(one => !one.Value.IsHydrated && !seen.ContainsKey(one.Key)).ToArray())
        {
            knownChanged = true;
            if (one.Absences + 1 >= absencesMax)
            {
                gone.Add(id);
            }
            else
            {
                known.ById[id] = one with { Absences = (byte)(one.Absences + 1) };
            }
        }

        return gone;
    }

    private DateTimeOffset? WatermarkAfter(CursorPosition position) => Rules.Strategy switch
    {
        SyncStrategy.DateWindow => position.StartedAt,
        SyncStrategy.LastUpdated => position.Newest > (status.Watermark ?? DateTimeOffset.MinValue) ? position.Newest : status.Watermark,
        _ => null,
    };
}

using EhrGrains.Contracts.Budgets;

namespace EhrGrains.Grains.Budgets;

/// <summary>Those who wait for a permit, in order within their lane. Not thread-safe.</summary>
internal sealed class WaitingLanes
{
    /// <summary>How many may wait in a lane; one more is refused at once.</summary>
    internal const int WaitersMax = 1_000;

    private readonly LinkedList<Waiter>[] lanes = [new(), new(), new()];
    private readonly int[] counts = new int[3];

    /// <summary>How many wait, by lane.</summary>
    internal ReadOnlySpan<int> Counts => counts;

    internal bool Any => counts[0] + counts[1] + counts[2] > 0;

    /// <summary>Who came first in each lane that has someone, interactive first.</summary>
    internal IEnumerable<Waiter> Heads => lanes.Where(lane => lane.First is not null).Select(lane => lane.First!.Value);

    /// <summary>Who is to be served next.</summary>
    internal Waiter? Next => lanes[0].First?.Value ?? lanes[1].First?.Value ?? lanes[2].First?.Value;

    internal bool IsFull(Lane lane) => counts[(int)lane] >= WaitersMax;

    /// <summary>True when somebody waits who is served before one that comes now in this lane.</summary>
    internal bool AnyBefore(Lane lane) =>
        counts[0] > 0 || (lane >= Lane.Event && counts[1] > 0) || (lane >= Lane.Backfill && counts[2] > 0);

    /// <summary>
    /// How long a request of a lane may wait for its permit. Interactive: longer than it takes until the permits of a silo that was
    /// killed together with the budget grain's activation are back (some 19 s).
    /// </summary>
    internal static TimeSpan WaitMax(Lane lane) => lane switch
    {
        Lane.Interactive => TimeSpan.FromSeconds(25),
        Lane.Event => TimeSpan.FromMinutes(2),
        _ => TimeSpan.FromMinutes(10),
    };

    internal Waiter Add(Lane lane, TimeSpan now)
    {
        var waiter = new Waiter(lane, now);
        lanes[(int)lane].AddLast(waiter.Node);
        counts[(int)lane]++;
        return waiter;
    }

    /// <summary>Takes one out; false when it is no longer in.</summary>
    internal bool Remove(Waiter waiter)
    {
        if (waiter.Node.List is not { } lane)
        {
            return false;
        }

        lane.Remove(waiter.Node);
        counts[(int)waiter.Lane]--;
        return true;
    }

    /// <summary>Takes everyone out.</summary>
    internal Waiter[] Clear()
    {
        Waiter[] all = [.. lanes.SelectMany(lane => lane)];
        foreach (var waiter in all)
        {
            Remove(waiter);
        }

        return all;
    }
}

/// <summary>One request that waits for its permit.</summary>
internal sealed class Waiter
{
    internal Waiter(Lane lane, TimeSpan now)
    {
        (Lane, Since, Until) = (lane, now, now + WaitingLanes.WaitMax(lane));
        Node = new LinkedListNode<Waiter>(this);
    }

    internal Lane Lane { get; }

    internal TimeSpan Since { get; }

    internal TimeSpan Until { get; }

    internal LinkedListNode<Waiter> Node { get; }

    internal TaskCompletionSource<Flight> Permit { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

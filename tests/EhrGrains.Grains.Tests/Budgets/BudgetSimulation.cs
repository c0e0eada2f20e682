using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Budgets;

namespace EhrGrains.Grains.Tests.Budgets;

/// <summary>What goes wrong in a simulated run.</summary>
public sealed record Weather
{
    public int Crashes { get; init; }

    public int Pauses { get; init; }

    public int GrainMoves { get; init; }

    /// <summary>A silo reaches no grain for a while, and works on with what it has.</summary>
    public int Partitions { get; init; }

    public bool SlowMessages { get; init; }

    public bool LostAnswers { get; init; }

    public bool SlowConnections { get; init; }
}

/// <summary>
/// A cluster, a database and a hospital on a simulated clock: N silos with the real pools, activations of the real ledger over a store
/// with entity tags, messages that are late, processes that pause and die. The hospital keeps its own book of arrivals.
/// </summary>
internal sealed class BudgetSimulation
{
    /// <summary>When the UTC day ends, in simulated time.</summary>
    internal static readonly TimeSpan Midnight = TimeSpan.FromSeconds(30);

    private static readonly DateTimeOffset Start = new DateTimeOffset(2026, 3, 2, 0, 0, 0, TimeSpan.Zero) - Midnight;

    private readonly PriorityQueue<Action, (TimeSpan At, long Order)> events = new();
    private readonly Random random;
    private readonly BudgetSpec spec;
    private readonly Weather weather;
    private readonly TimeSpan latency;
    private readonly List<Silo> silos = [];
    private long order;
    private TimeSpan now;
    private BudgetState stored = new();
    private int etag;
    private Activation activation;

    internal BudgetSimulation(int seed, BudgetSpec spec, int silos, Weather weather, TimeSpan latency)
    {
        (random, this.spec, this.weather, this.latency) = (new Random(seed), spec, weather, latency);
        for (var i = 0; i < silos; i++)
        {
            this.silos.Add(new Silo(this, $"silo-{i}"));
        }

        activation = new Activation(this);
    }

    internal List<TimeSpan> Arrivals { get; } = [];

    internal List<(Lane Lane, TimeSpan Wait)> Served { get; } = [];

    internal int[] ServedBySilo => [.. silos.Select(silo => silo.Served)];

    internal int UnderWay { get; private set; }

    internal int UnderWayMax { get; private set; }

    internal int WaitingNow => silos.Where(s => s.Alive).Sum(s => s.Waiting.Sum());

    /// <summary>Demand comes until <paramref name="demandFor"/>; the run ends later, when all that is under way has ended.</summary>
    internal void Run(TimeSpan demandFor, TimeSpan rest, Func<TimeSpan, int, (Lane Lane, TimeSpan Next)?> demand)
    {
        for (var i = 0; i < silos.Count; i++)
        {
            var index = i;
            Demand(index, demandFor, demand);
        }

        Faults(demandFor);
        while (events.TryDequeue(out var action, out var key) && key.At <= demandFor + rest)
        {
            now = key.At;
            action();
        }
    }

    internal int BusiestWindow(TimeSpan window)
    {
        var sorted = Arrivals.Order().ToArray();
        var (most, first) = (0, 0);
        for (var last = 0; last < sorted.Length; last++)
        {
            while (sorted[last] - sorted[first] >= window)
            {
                first++;
            }

            most = Math.Max(most, last - first + 1);
        }

        return most;
    }

    private void At(TimeSpan at, Action action) => events.Enqueue(action, (at < now ? now : at, order++));

    private void In(TimeSpan delay, Action action) => At(now + delay, action);

    private TimeSpan Milliseconds(double from, double to) => TimeSpan.FromMilliseconds(from + (random.NextDouble() * (to - from)));

    private void Demand(int index, TimeSpan until, Func<TimeSpan, int, (Lane Lane, TimeSpan Next)?> demand)
    {
        if (now >= until || demand(now, index) is not { } next)
        {
            return;
        }

        var silo = silos[index];
        if (silo.Alive)
        {
            silo.WhenRunning(() => silo.Enqueue(next.Lane));
        }

        In(next.Next, () => Demand(index, until, demand));
    }

    private void Faults(TimeSpan until)
    {
        TimeSpan Some() => until * random.NextDouble();
        for (var i = 0; i < weather.Pauses; i++)
        {
            At(Some(), () => silos[random.Next(silos.Count)].PauseFor(Milliseconds(100, 30_000)));
        }

        for (var i = 0; i < weather.Partitions; i++)
        {
            At(Some(), () => silos[random.Next(silos.Count)].CutOffFor(Milliseconds(1_000, 40_000)));
        }

        for (var i = 0; i < weather.Crashes; i++)
        {
            At(Some(), () =>
            {
                var index = random.Next(silos.Count);
                silos[index].Alive = false;
                silos[index] = new Silo(this, $"silo-{index}-{order}");
            });
        }

        for (var i = 0; i < weather.GrainMoves; i++)
        {
            // The old one does not know; it goes on answering whoever still finds it, and one silo finds it for long.
            At(Some(), () =>
            {
                silos[random.Next(silos.Count)].StickTo(activation, Milliseconds(1_000, 40_000));
                activation = new Activation(this);
            });
        }
    }

    internal sealed class Activation(BudgetSimulation world)
    {
        private readonly Queue<Action> inbox = new();
        private readonly TimeSpan startedAt = world.now;
        private readonly BudgetLedger ledger = new(world.stored, TimeSpan.Zero, Start + world.now);
        private int etag = world.etag;
        private bool busy;
        private bool broken;

        internal void Receive(BudgetDemand demand, Action<BudgetLease?> answer)
        {
            inbox.Enqueue(() => Handle(demand, answer));
            Next();
        }

        private void Next()
        {
            if (!busy && inbox.TryDequeue(out var work))
            {
                busy = true;
                work();
            }
        }

        private void Handle(BudgetDemand demand, Action<BudgetLease?> answer)
        {
            var at = world.now - startedAt;
            BudgetLease lease;
            try
            {
                if (broken)
                {
                    throw new ProblemException(ProblemKind.Unavailable, "X", "", "Gone.");
                }

                lease = ledger.Lease(world.spec, demand, at, Start + world.now);
            }
            catch (ProblemException)
            {
                Finish(() => answer(null));
                return;
            }

            if (!ledger.MustWrite(at))
            {
                Finish(() => answer(lease));
                return;
            }

            var state = ledger.State;
            world.In(world.Milliseconds(0.2, 40), () =>
            {
                if (etag != world.etag)
                {
                    broken = true;
                    if (ReferenceEquals(world.activation, this))
                    {
                        world.activation = new Activation(world);
                    }

                    Finish(() => answer(null));
                    return;
                }

                (world.stored, world.etag) = (state, ++etag);
                ledger.Written(at);
                Finish(() => answer(lease));
            });
        }

        private void Finish(Action answer)
        {
            answer();
            busy = false;
            Next();
        }
    }

    private sealed class Silo(BudgetSimulation world, string name)
    {
        private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(3);

        private readonly PermitPool pool = new(name);
        private readonly Queue<TimeSpan>[] queues = [new(), new(), new()];
        private TimeSpan pausedUntil;
        private TimeSpan cutOffUntil;
        private TimeSpan stuckUntil;
        private Activation? stuckTo;
        private TimeSpan nextPoke = TimeSpan.MaxValue;
        private Activation? known;
        private int call;
        private bool asking;

        internal bool Alive { get; set; } = true;

        internal int Served { get; private set; }

        internal int[] Waiting => [queues[0].Count, queues[1].Count, queues[2].Count];

        internal void PauseFor(TimeSpan time) => pausedUntil = world.now + time;

        internal void CutOffFor(TimeSpan time) => cutOffUntil = world.now + time;

        internal void StickTo(Activation old, TimeSpan time) => (stuckTo, stuckUntil) = (old, world.now + time);

        // A paused process does what was due when it wakes up; a dead one does nothing any more.
        internal void WhenRunning(Action action)
        {
            if (!Alive)
            {
                return;
            }

            if (world.now < pausedUntil)
            {
                world.At(pausedUntil, () => WhenRunning(action));
                return;
            }

            action();
        }

        internal void Enqueue(Lane lane)
        {
            queues[(int)lane].Enqueue(world.now);
            Poke();
        }

        private void Poke()
        {
            for (var lane = Lane.Interactive; lane <= Lane.Backfill; lane++)
            {
                while (queues[(int)lane].TryPeek(out var since))
                {
                    if (pool.TryTake(lane, world.now) is not { } flight)
                    {
                        lane = Lane.Backfill;
                        break;
                    }

                    queues[(int)lane].Dequeue();
                    world.Served.Add((lane, world.now - since));
                    Served++;
                    Send(flight);
                }
            }

            if (!asking && pool.NextAsk(Waiting, world.now) <= world.now)
            {
                Ask();
            }

            var due = Waiting.Sum() > 0 ? pool.NextFree(world.now) : null;
            if (!asking && pool.NextAsk(Waiting, world.now) is { } ask && !(due < ask))
            {
                due = ask;
            }

            if (due is { } at && (at < nextPoke || nextPoke <= world.now))
            {
                nextPoke = at;
                world.At(at, () => WhenRunning(() =>
                {
                    if (nextPoke <= world.now)
                    {
                        nextPoke = TimeSpan.MaxValue;
                    }

                    Poke();
                }));
            }
        }

        private void Ask()
        {
            asking = true;
            var (mine, askedAt) = (++call, world.now);
            var demand = pool.Ask(Waiting, askedAt);

            // Some find an old activation for a while after the grain has moved.
            var target = world.now < stuckUntil ? stuckTo! : known is not null && world.random.Next(4) == 0 ? known : world.activation;
            known = world.activation;
            void Done(BudgetLease? lease) => WhenRunning(() =>
            {
                if (call != mine || !asking)
                {
                    return;
                }

                asking = false;
                if (lease is not null)
                {
                    pool.Apply(lease, askedAt, world.now);
                }

                Poke();
            });

            world.In(CallTimeout, () => Done(null));
            if (world.now < cutOffUntil)
            {
                return;
            }

            world.In(MessageDelay(), () => target.Receive(demand, lease => world.In(MessageDelay(), () => Done(lease))));
        }

        private void Send(Flight flight)
        {
            var before = world.weather.SlowConnections && world.random.Next(20) == 0
                ? world.Milliseconds(100, 20_000)
                : world.Milliseconds(0, 5);
            world.In(before, () => WhenRunning(() =>
            {
                if (!pool.TrySend(flight, world.now))
                {
                    pool.End(flight, world.now);
                    Poke();
                    return;
                }

                var transit = world.latency == TimeSpan.Zero ? TimeSpan.Zero : world.Milliseconds(0, 249);
                if (world.latency < 2 * transit)
                {
                    transit = world.latency * 0.4;
                }

                world.In(transit, Arrive);
                if (world.weather.LostAnswers && world.random.Next(10) == 0)
                {
                    // The caller gives up, perhaps while the request is still on its way.
                    world.In(world.Milliseconds(1, 5_000), () => WhenRunning(() => End(flight)));
                    return;
                }

                world.In(world.latency, () => WhenRunning(() =>
                {
                    pool.Arrived(flight, world.now);
                    End(flight);
                }));
            }));

            void Arrive()
            {
                world.Arrivals.Add(world.now);
                world.UnderWayMax = Math.Max(world.UnderWayMax, ++world.UnderWay);
                world.In(world.latency * 0.5, () => world.UnderWay--);
            }
        }

        private void End(Flight flight)
        {
            pool.End(flight, world.now);
            Poke();
        }

        private TimeSpan MessageDelay() => world.weather.SlowMessages && world.random.Next(10) == 0
            ? world.Milliseconds(1, 8_000)
            : world.Milliseconds(0.1, 5);
    }
}

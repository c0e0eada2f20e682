using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Budgets;

namespace EhrGrains.Grains.Tests.Budgets;

/// <summary>What goes wrong in a simulated run.</summary>
public sealed record Weather
{
    public int Crashes { get; init; }

    /// <summary>Silos that stop in good order; another process takes their place.</summary>
    public int Leaves { get; init; }

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
internal sealed partial class BudgetSimulation
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
            this.silos.Add(new Silo(this, Name(i)));
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

    // A later process at the same address, mostly; each third one gets another port.
    private string Name(int index) => HolderName.New($"10.0.0.{index}:{(random.Next(3) == 0 ? order : 11_111)}@{order + 1}", Start);

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
                silos[index] = new Silo(this, Name(index));
            });
        }

        for (var i = 0; i < weather.Leaves; i++)
        {
            At(Some(), () =>
            {
                var index = random.Next(silos.Count);
                silos[index].WhenRunning(() =>
                {
                    silos[index].Leave();
                    silos[index] = new Silo(this, Name(index));
                });
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
}

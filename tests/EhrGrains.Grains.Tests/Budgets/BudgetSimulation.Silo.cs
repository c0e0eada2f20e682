using EhrGrains.Contracts.Budgets;
using EhrGrains.Grains.Budgets;

namespace EhrGrains.Grains.Tests.Budgets;

internal sealed partial class BudgetSimulation
{
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

        // In good order: what is free is given back, and nothing is sent any more.
        internal void Leave()
        {
            var demand = pool.Ask(Waiting, world.now, giveUp: true);
            Alive = false;
            var target = world.activation;
            world.In(MessageDelay(), () => target.Receive(demand, _ => { }));
        }

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

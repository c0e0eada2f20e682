using System.Collections.Concurrent;

namespace EhrGrains.Grains.Tests.Query;

/// <summary>The real clock, which may be told to jump ahead: what waits for longer than the jump waits for the rest of it.</summary>
public sealed class JumpingClock : TimeProvider
{
    private readonly ConcurrentDictionary<Timer, bool> timers = new();
    private long ahead;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow().AddTicks(Volatile.Read(ref ahead));

    public override long GetTimestamp() => (long)(System.GetTimestamp() * ((double)TimeSpan.TicksPerSecond / System.TimestampFrequency)) + Volatile.Read(ref ahead);

    public void Jump(TimeSpan by)
    {
        Interlocked.Add(ref ahead, by.Ticks);
        foreach (var timer in timers.Keys)
        {
            timer.Jump(by);
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        new Timer(this, callback, state, dueTime, period);

    private sealed class Timer : ITimer
    {
        private readonly Lock gate = new();
        private readonly JumpingClock clock;
        private readonly ITimer inner;
        private DateTimeOffset? due;
        private TimeSpan period;

        public Timer(JumpingClock clock, TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            this.clock = clock;
            inner = System.CreateTimer(
                _ =>
                {
                    Fired();
                    callback(state);
                },
                null,
                Timeout.InfiniteTimeSpan,
                Timeout.InfiniteTimeSpan);
            clock.timers[this] = true;
            Change(dueTime, period);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (gate)
            {
                this.period = period;
                due = dueTime == Timeout.InfiniteTimeSpan ? null : System.GetUtcNow() + dueTime;
                return inner.Change(dueTime, period);
            }
        }

        public void Jump(TimeSpan by)
        {
            lock (gate)
            {
                if (due is { } at)
                {
                    due = at - by;
                    var left = due.Value - System.GetUtcNow();
                    inner.Change(left > TimeSpan.Zero ? left : TimeSpan.Zero, period);
                }
            }
        }

        public void Dispose()
        {
            clock.timers.TryRemove(this, out _);
            inner.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            clock.timers.TryRemove(this, out _);
            return inner.DisposeAsync();
        }

        private void Fired()
        {
            lock (gate)
            {
                due = period > TimeSpan.Zero ? System.GetUtcNow() + period : null;
            }
        }
    }
}

using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Connect.Tests.Peers;

/// <summary>A clock that stands still until it is moved, and tells when someone begins to wait on it.</summary>
internal sealed class WatchedTime() : FakeTimeProvider(new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero))
{
    private readonly Channel<TimeSpan> waits = Channel.CreateUnbounded<TimeSpan>();

    /// <summary>Waits until a timer is set for a wait like this; moves the clock by it; answers how long it was.</summary>
    public async Task<TimeSpan> PassAsync(Func<TimeSpan, bool> isIt, CancellationToken cancellationToken)
    {
        await foreach (var wait in waits.Reader.ReadAllAsync(cancellationToken))
        {
            if (isIt(wait))
            {
                Advance(wait);
                return wait;
            }
        }

        throw new InvalidOperationException("The clock has ended.");
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Watched(this, base.CreateTimer(callback, state, dueTime, period));
        Note(dueTime);
        return timer;
    }

    private void Note(TimeSpan dueTime)
    {
        if (dueTime >= TimeSpan.Zero)
        {
            waits.Writer.TryWrite(dueTime);
        }
    }

    private sealed class Watched(WatchedTime time, ITimer inner) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            var changed = inner.Change(dueTime, period);
            time.Note(dueTime);
            return changed;
        }

        public void Dispose() => inner.Dispose();

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}

using System.Collections.Concurrent;

namespace EhrGrains.Grains;

/// <summary>
/// Keeps what was fetched, per silo, for as long as each reader allows. One fetch at a time for a key, however many ask; it
/// belongs to none of them, so that one caller's cancellation, context or grain does not end what others wait for. A failure is
/// not kept. Bounded: above <c>countMax</c> keys the oldest tenth goes. Thread-safe.
/// </summary>
internal sealed class FreshCache<TKey, TValue>(int countMax, TimeSpan fetchTimeout, TimeProvider time)
    where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, Entry> entries = new();
    private readonly Lock trimming = new();

    internal int Count => entries.Count;

    /// <summary>
    /// The value for a key, at most <paramref name="ageMax"/> old counted from when its fetch began. One older than
    /// <paramref name="refreshAfter"/> is still served while the next is fetched.
    /// </summary>
    internal async ValueTask<TValue> GetAsync(
        TKey key,
        TimeSpan refreshAfter,
        TimeSpan ageMax,
        Func<TKey, CancellationToken, Task<TValue>> fetch,
        CancellationToken cancellationToken)
    {
        if (!entries.TryGetValue(key, out var entry))
        {
            Trim();
            entry = entries.GetOrAdd(key, static _ => new Entry());
        }

        Task<TValue> flight;
        lock (entry.Gate)
        {
            var age = entry.HasValue ? time.GetElapsedTime(entry.FetchedAt) : TimeSpan.MaxValue;
            if (age > refreshAfter)
            {
                entry.Flight ??= StartAsync(key, entry, fetch);
            }

            if (age <= ageMax)
            {
                return entry.Value!;
            }

            flight = entry.Flight!;
        }

        return await flight.WaitAsync(cancellationToken);
    }

    /// <summary>Forgets a key.</summary>
    internal void Remove(TKey key) => entries.TryRemove(key, out _);

    private Task<TValue> StartAsync(TKey key, Entry entry, Func<TKey, CancellationToken, Task<TValue>> fetch)
    {
        var flight = Detached.RunAsync(() => FetchAsync(key, entry, fetch));

        // Nobody may be waiting for a refresh that fails; the next reader starts another.
        flight.Ignore();
        return flight;
    }

    private async Task<TValue> FetchAsync(TKey key, Entry entry, Func<TKey, CancellationToken, Task<TValue>> fetch)
    {
        var begin = time.GetTimestamp();
        using var timeout = new CancellationTokenSource(fetchTimeout, time);
        try
        {
            var value = await fetch(key, timeout.Token).WaitAsync(timeout.Token);
            lock (entry.Gate)
            {
                (entry.Value, entry.FetchedAt, entry.HasValue) = (value, begin, true);
            }

            return value;
        }
        catch (OperationCanceledException e) when (timeout.IsCancellationRequested)
        {
            throw new TimeoutException("What was asked for did not come in time.", e);
        }
        finally
        {
            lock (entry.Gate)
            {
                entry.Flight = null;
            }
        }
    }

    private void Trim()
    {
        if (entries.Count < countMax)
        {
            return;
        }

        lock (trimming)
        {
            if (entries.Count >= countMax)
            {
                foreach (var (key, _) in entries.OrderBy(entry => entry.Value.FetchedAt).Take(Math.Max(1, countMax / 10)).ToArray())
                {
                    entries.TryRemove(key, out _);
                }
            }
        }
    }

    private sealed class Entry
    {
        internal Lock Gate { get; } = new();

        internal TValue? Value { get; set; }

        internal bool HasValue { get; set; }

        internal long FetchedAt { get; set; }

        internal Task<TValue>? Flight { get; set; }
    }
}

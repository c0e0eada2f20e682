using System.Collections.Concurrent;

namespace EhrGrains.Grains;

/// <summary>
/// Tells grains that there is something to do. Costs who tells nothing: for a key there is one call under way at most, and what happens
/// meanwhile makes one more. The call handles its own failures. Thread-safe.
/// </summary>
internal sealed class Nudges<TKey>(Func<TKey, Task> call)
    where TKey : notnull
{
    // True: something happened since the call that is under way began.
    private readonly ConcurrentDictionary<TKey, bool> underWay = new();

    internal void Tell(TKey key)
    {
        while (!underWay.TryAdd(key, false))
        {
            if (underWay.TryUpdate(key, true, false) || (underWay.TryGetValue(key, out var again) && again))
            {
                return;
            }
        }

        Detached.RunAsync(() => CallAsync(key)).Ignore();
    }

    private async Task<bool> CallAsync(TKey key)
    {
        do
        {
            underWay[key] = false;
            await call(key);
        }
        while (!underWay.TryRemove(KeyValuePair.Create(key, false)));
        return true;
    }
}

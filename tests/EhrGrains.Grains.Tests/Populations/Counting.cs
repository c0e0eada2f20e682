using System.Diagnostics.Metrics;

namespace EhrGrains.Grains.Tests.Populations;

/// <summary>Waits for work of the silos by what they count: after each count somebody looks whether it is what was waited for.</summary>
internal sealed class Counting : IDisposable
{
    private readonly MeterListener listener = new();
    private readonly SemaphoreSlim counted = new(0);

    public Counting(params string[] instruments)
    {
        listener.InstrumentPublished = (found, listening) =>
        {
            if (found.Meter.Name == "EhrGrains" && instruments.Contains(found.Name, StringComparer.Ordinal))
            {
                listening.EnableMeasurementEvents(found);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => counted.Release());
        listener.Start();
    }

    /// <summary>The first answer that is the one that is waited for; it is looked at when this begins and after every count.</summary>
    public async Task<T> UntilAsync<T>(Func<Task<T>> look, Func<T, bool> isIt)
    {
        while (true)
        {
            if (await look() is var found && isIt(found))
            {
                return found;
            }

            await counted.WaitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        }
    }

    public void Dispose()
    {
        listener.Dispose();
        counted.Dispose();
    }
}

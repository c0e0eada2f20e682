namespace EhrGrains.Grains;

/// <summary>
/// Runs pieces of work of one grain one after the other, where its calls interleave. Only for use on the grain's own turns: it
/// has no lock of its own.
/// </summary>
internal sealed class Turns
{
    private Task last = Task.CompletedTask;

    internal async Task<T> RunAsync<T>(Func<Task<T>> work)
    {
        var before = last;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        last = done.Task;
        await before;
        try
        {
            return await work();
        }
        finally
        {
            done.SetResult();
        }
    }
}

using EhrGrains.Grains.Callers;

namespace EhrGrains.Grains;

/// <summary>
/// Does a grain's own work in rounds, one after the other, as long as there is something to do. A round answers whether there may be more
/// at once. One that fails ends it until it is told again; what then is the grain's to say. For use on the grain's own turns.
/// </summary>
internal sealed class Pump(CallerTickets tickets, Func<Task<bool>> round, Func<Exception, Task> failed) : IDisposable
{
    private readonly CancellationTokenSource stopping = new();
    private Task running = Task.CompletedTask;
    private bool news;

    /// <summary>Set when the grain is to leave.</summary>
    internal CancellationToken Stopping => stopping.Token;

    /// <summary>Whether no round is under way.</summary>
    internal bool IsIdle => running.IsCompleted;

    /// <summary>There is something to do.</summary>
    internal void Tell()
    {
        news = true;
        if (running.IsCompleted && !stopping.IsCancellationRequested)
        {
            running = RunAsync();
        }
    }

    /// <summary>Ends the round that is under way.</summary>
    internal async Task StopAsync(CancellationToken cancellationToken)
    {
        await stopping.CancelAsync();
        await running.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    public void Dispose() => stopping.Dispose();

    private async Task RunAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.ForceYielding);
        try
        {
            while (news && !stopping.IsCancellationRequested)
            {
                // Nobody's call: it goes on long after the one that happened to start it.
                using var system = tickets.EnterSystem();
                news = false;
                news |= await round();
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Deactivated; the next activation goes on.
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            await failed(e);
        }
    }
}

using System.Data.Common;
using EhrGrains.Contracts;
using EhrGrains.Grains.Callers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains;

/// <summary>What a table says is due, and how the grain of each is told.</summary>
/// <param name="Work">What they are, for the log.</param>
/// <param name="ReadAsync">What is due now, the longest due first, at most so many.</param>
/// <param name="NudgeAsync">Tells the grain of one.</param>
internal sealed record DueWork<TKey>(
    string Work, Func<DateTimeOffset, int, CancellationToken, Task<IReadOnlyList<TKey>>> ReadAsync, Func<IGrainFactory, TKey, Task> NudgeAsync);

/// <summary>
/// Wakes grains that have something to do, so that one whose silo died goes on. Every silo looks; a grain that is told twice does nothing
/// twice.
/// </summary>
internal sealed partial class DueWaker<TKey> : BackgroundService
    where TKey : notnull
{
    private const int CountMax = 1_000;
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(5);

    private readonly DueWork<TKey> due;
    private readonly IGrainFactory grains;
    private readonly CallerTickets tickets;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly Nudges<TKey> nudges;

    internal DueWaker(IServiceProvider services, DueWork<TKey> due)
    {
        this.due = due;
        grains = services.GetRequiredService<IGrainFactory>();
        tickets = services.GetRequiredService<CallerTickets>();
        time = services.GetRequiredService<TimeProvider>();
        log = services.GetRequiredService<ILoggerFactory>().CreateLogger("EhrGrains.Grains.DueWaker");
        nudges = new(CallAsync);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, time);
        try
        {
            do
            {
                try
                {
                    foreach (var key in await due.ReadAsync(time.GetUtcNow(), CountMax, stoppingToken))
                    {
                        nudges.Tell(key);
                    }
                }
                catch (Exception e) when (e is DbException or TimeoutException or IOException or InvalidOperationException)
                {
                    LogNotRead(log, due.Work, e.GetType().Name);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The silo stops.
        }
    }

    private async Task CallAsync(TKey key)
    {
        using var system = tickets.EnterSystem();
        try
        {
            await due.NudgeAsync(grains, key);
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or ProblemException or InvalidOperationException)
        {
            LogNotReached(log, due.Work, key, e.GetType().Name);
        }
    }

    [LoggerMessage(3300, LogLevel.Warning, "What {Work} have to do could not be read ({Reason}); it is looked for again in a moment.")]
    private static partial void LogNotRead(ILogger logger, string work, string reason);

    [LoggerMessage(3301, LogLevel.Debug, "Of the {Work}, {Key} could not be told that it has something to do ({Reason}); it is told again.")]
    private static partial void LogNotReached(ILogger logger, string work, TKey key, string reason);
}

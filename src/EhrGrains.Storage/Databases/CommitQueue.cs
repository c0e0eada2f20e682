using System.Threading.Channels;

namespace EhrGrains.Storage.Databases;

/// <summary>A row that waits for its commit.</summary>
internal interface IQueuedRow
{
    /// <summary>Bytes that count towards a commit's bound.</summary>
    int Length { get; }

    /// <summary>False when its caller has given up: it must not be written any more.</summary>
    bool IsWaitedFor { get; }
}

/// <summary>How much may wait, how much goes into one commit, and how a lost database is looked for.</summary>
/// <param name="QueueMax">Rows that may wait.</param>
/// <param name="RowsMax">Rows of one commit.</param>
/// <param name="BytesMax">Bytes after which a commit takes no more rows.</param>
/// <param name="ProbePeriod">How often a database that is away is tried.</param>
/// <param name="ProbeTimeout">How long one try may take.</param>
internal sealed record CommitBounds(int QueueMax, int RowsMax, long BytesMax, TimeSpan ProbePeriod, TimeSpan ProbeTimeout);

/// <summary>Who is told when the database cannot be written any more, when it can again, and of each try in between.</summary>
internal sealed record CommitNews(Action<Exception> Lost, Action Found, Action<string> StillLost);

/// <summary>
/// One writer for all who add rows: commits whatever was queued since its last commit, so that a flush to disk is shared by all who
/// wait for one. Knows whether the database can be written: not from a commit that failed or was late until a probe succeeds, also
/// without traffic. Thread-safe.
/// </summary>
/// <param name="bounds">How much.</param>
/// <param name="write">Commits rows in their order and completes their callers; does not throw.</param>
/// <param name="probe">Takes the locks that writing takes, and lets go.</param>
/// <param name="news">Who is told.</param>
/// <param name="time">The clock.</param>
internal sealed class CommitQueue<TRow>(
    CommitBounds bounds, Func<IReadOnlyList<TRow>, Task> write, Func<CancellationToken, Task> probe, CommitNews news, TimeProvider time) : IDisposable
    where TRow : IQueuedRow
{
    private readonly Channel<(TRow Row, int Outages)> queue = Channel.CreateBounded<(TRow Row, int Outages)>(
        new BoundedChannelOptions(bounds.QueueMax) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

    private readonly CancellationTokenSource stopping = new();
    private readonly Lock gate = new();
    private Task writing = Task.CompletedTask;
    private volatile bool available = true;
    private volatile int outages;

    /// <summary>What becomes of a row that was waiting while the database was lost; null: it goes on waiting for its commit.</summary>
    internal Action<TRow>? RefuseAfterOutage { get; init; }

    internal bool IsAvailable => available;

    /// <summary>The search for a way back, while there is one.</summary>
    internal Task Probing { get; private set; } = Task.CompletedTask;

    /// <summary>How often the database has been lost so far; to be read before it is looked whether it is available.</summary>
    internal int Outages => outages;

    /// <summary>Adds a row; false when too many wait already.</summary>
    /// <param name="row">The row.</param>
    /// <param name="since">The <see cref="Outages"/> when the row came.</param>
    internal bool TryAdd(TRow row, int since) => queue.Writer.TryWrite((row, since));

    internal void Start() => writing = WriteAllAsync();

    /// <summary>Writes what is queued, then ends.</summary>
    internal async Task StopAsync(CancellationToken cancellationToken)
    {
        queue.Writer.TryComplete();
        await writing.WaitAsync(cancellationToken);
        await stopping.CancelAsync();
        await Probing.WaitAsync(cancellationToken);
    }

    /// <summary>A commit succeeded.</summary>
    internal void Found()
    {
        lock (gate)
        {
            if (!available)
            {
                available = true;
                news.Found();
            }
        }
    }

    /// <summary>A commit failed or was late.</summary>
    internal void Lost(Exception cause)
    {
        lock (gate)
        {
            if (available)
            {
                available = false;
                outages++;
                news.Lost(cause);
                Probing = ProbeAsync();
            }
        }
    }

    public void Dispose() => stopping.Dispose();

    private async Task WriteAllAsync()
    {
        var batch = new List<TRow>(bounds.RowsMax);
        while (await queue.Reader.WaitToReadAsync(CancellationToken.None))
        {
            var bytes = 0L;
            while (batch.Count < bounds.RowsMax && bytes < bounds.BytesMax && queue.Reader.TryRead(out var next))
            {
                if (next.Outages != outages && RefuseAfterOutage is { } refuse)
                {
                    refuse(next.Row);
                }
                else if (next.Row.IsWaitedFor)
                {
                    batch.Add(next.Row);
                    bytes += next.Row.Length;
                }
            }

            if (batch.Count > 0)
            {
                await write(batch);
                batch.Clear();
            }
        }
    }

    private async Task ProbeAsync()
    {
        while (!available && !stopping.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(bounds.ProbePeriod, time, stopping.Token);
                using var timeout = new CancellationTokenSource(bounds.ProbeTimeout, time);
                await probe(timeout.Token);
                Found();
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                news.StillLost(e.GetType().Name);
            }
        }
    }
}

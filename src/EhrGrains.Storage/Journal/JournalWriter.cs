using Microsoft.Extensions.Hosting;

namespace EhrGrains.Storage.Journal;

/// <summary>Appends messages of all feeds.</summary>
public sealed class JournalWriter : IHostedService
{
    /// <summary>The longest message.</summary>
    public const int MessageBytesMax = 64 * 1024 * 1024;

    /// <summary>False from a commit that failed or was late until the journal can be written again; found out without traffic.</summary>
    public bool IsAvailable { get; } = true;

    /// <summary>Appends a message; completes when it is flushed to disk.</summary>
    /// <exception cref="JournalUnavailableException">It was not committed; at once when the database is known to be away, else within 2 s.</exception>
    public Task<JournalReceipt> AppendAsync(JournalMessage message, CancellationToken cancellationToken) => throw new NotSupportedException();

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

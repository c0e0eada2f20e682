using System.Runtime.Versioning;
using EhrGrains.Storage.Databases;

namespace EhrGrains.EndToEnd.Tests.Feeds;

/// <summary>
/// What is acknowledged is on disk (I1): a process that is killed loses nothing that the kernel has, so that only the system calls
/// themselves show whether the disk had it too. Not beside other tests, for a traced process is slow.
/// </summary>
[CollectionDefinition(nameof(FlushTests), DisableParallelization = true)]
[Collection(nameof(FlushTests))]
[SupportedOSPlatform("linux")]
public sealed class FlushTests
{
    private const int Messages = 20;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(DatabaseKind.Sqlite)]
    [InlineData(DatabaseKind.PostgreSql)]
    public async Task Between_receipt_and_acknowledgement_of_every_message_there_is_a_flush(DatabaseKind kind)
    {
        RequireTracer();
        await using var database = await FeedDatabase.CreateAsync(kind, Cancelled);
        await using var listener = await TracedListener.StartAsync(database, Cancelled);

        (await listener.CountUnflushedAsync(Messages, Cancelled)).ShouldBe(0);
    }

    [Theory]
    [InlineData(DatabaseKind.Sqlite)]
    [InlineData(DatabaseKind.PostgreSql)]
    public async Task With_the_flush_removed_the_same_trace_shows_that_it_is_missing(DatabaseKind kind)
    {
        RequireTracer();
        await using var database = await FeedDatabase.CreateAsync(kind, Cancelled);
        await using var listener = await TracedListener.StartAsync(database, Cancelled);

        await listener.RemoveFlushAsync(Cancelled);

        // PostgreSQL's log writer flushes five times a second all the same, and so happens to be in time for some.
        (await listener.CountUnflushedAsync(Messages, Cancelled)).ShouldBeGreaterThan(Messages / 4);
    }

    private static void RequireTracer() => Assert.SkipUnless(
        OperatingSystem.IsLinux() && Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(path => File.Exists(Path.Combine(path, "strace"))),
        "There is no strace. Install it (Debian: apt-get install strace).");
}

using System.Diagnostics;
using System.Globalization;
using System.Net;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Journal;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace EhrGrains.EndToEnd.Tests.Feeds;

/// <summary>
/// The listener and the journal in this process, with strace watching the system calls of this process or of PostgreSQL's. What one
/// tracer writes is in the order in which it happened, over all of the processes that it watches.
/// </summary>
internal sealed class TracedListener : IAsyncDisposable
{
    private readonly FeedDatabase database;
    private readonly WebApplication app;

    private TracedListener(FeedDatabase database, WebApplication app)
    {
        this.database = database;
        this.app = app;
    }

    private int Port => new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;

    private JournalWriter Journal => database.Services.GetRequiredService<JournalWriter>();

    internal static async Task<TracedListener> StartAsync(FeedDatabase database, CancellationToken cancellationToken)
    {
        var journal = database.Services.GetRequiredService<JournalWriter>();
        await journal.StartAsync(cancellationToken);
        var routes = FeedRoutes.From(
        [
            new FeedRoute(
                FeedDatabase.Tenant,
                FeedDatabase.Feed(0),
                new InboundFeedSpec { Match = new FeedMatch { SendingFacility = FeedDatabase.Facility(0) } }),
        ]);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(new MllpReceiver(
            () => routes,
            async (arrival, token) =>
            {
                var message = new JournalMessage
                {
                    Tenant = arrival.Route.Tenant,
                    Feed = arrival.Route.Feed,
                    Message = arrival.Message,
                    Sender = arrival.Sender,
                    ControlId = arrival.ControlId,
                };
                await journal.AppendAsync(message, token);
                return new MllpReceipt(MllpOutcome.Appended);
            },
            (_, _) => ValueTask.CompletedTask));
        builder.Services.AddMllpListener();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseMllp()));
        var built = builder.Build();
        await built.StartAsync(cancellationToken);
        return new TracedListener(database, built);
    }

    /// <summary>The mutation: from here on commits are not flushed, and nothing in the product knows.</summary>
    internal async Task RemoveFlushAsync(CancellationToken cancellationToken)
    {
        if (database.Kind == DatabaseKind.Sqlite)
        {
            // There is one writing connection, and it keeps its settings.
            await using var writer = await database.Services.GetRequiredService<Database>().DataSource.OpenConnectionAsync(cancellationToken);
            await using var pragma = writer.CreateCommand();
            pragma.CommandText = "PRAGMA synchronous=OFF";
            await pragma.ExecuteNonQueryAsync(cancellationToken);
            return;
        }

        await database.Postgres.ExecuteAsync(
            $"ALTER ROLE {database.Postgres.AppRole} SET synchronous_commit = off; " +
            $"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{database.Postgres.AppRole}'",
            cancellationToken);
        NpgsqlConnection.ClearAllPools();
    }

    /// <summary>Sends messages one after the other under the tracer; answers for how many of them there was no flush before the acknowledgement.</summary>
    internal async Task<int> CountUnflushedAsync(int messages, CancellationToken cancellationToken)
    {
        // What is done once only (keys, partitions, compiling) is done before.
        var sender = new MllpSender(0, FeedDatabase.Facility(0), Port);
        for (var i = 0; i < 5; i++)
        {
            await sender.SendAsync(cancellationToken);
        }

        var file = database.Directory.File($"trace-{Guid.CreateVersion7():N}");
        int[] processes = [Environment.ProcessId, .. await DatabaseProcessesAsync(cancellationToken)];
        using (var tracer = await AttachAsync(processes, file, cancellationToken))
        {
            for (var i = 0; i < messages; i++)
            {
                await sender.SendAsync(cancellationToken);
            }

            await DetachAsync(tracer, cancellationToken);
        }

        var trace = (await File.ReadAllLinesAsync(file, cancellationToken)).Select(Call.Parse).ToArray();
        return sender.History.Skip(5).Count(sent => !IsFlushedBeforeAcknowledgement(trace, sent.ControlId));
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync(CancellationToken.None);
        await app.DisposeAsync();
        await Journal.StopAsync(CancellationToken.None);
    }

    /// <summary>
    /// Between the system call that received the message and the one that sent its acknowledgement, a flush of the database's log was
    /// begun and ended well.
    /// </summary>
    private bool IsFlushedBeforeAcknowledgement(Call[] trace, string controlId)
    {
        var received = Array.FindIndex(trace, call => call.IsReceive && call.Text.Contains($"|ADT^A08|{controlId}|", StringComparison.Ordinal));
        var answered = Array.FindIndex(trace, call => call.IsSend && call.Text.Contains($"MSA|AA|{controlId}", StringComparison.Ordinal));
        received.ShouldBeGreaterThanOrEqualTo(0, $"the receipt of {controlId} is not in the trace");
        answered.ShouldBeGreaterThan(received, $"the acknowledgement of {controlId} is not in the trace");
        var log = database.Kind == DatabaseKind.Sqlite ? ".db-wal>" : "/pg_wal/";
        var flushing = new HashSet<string>(StringComparer.Ordinal);
        foreach (var call in trace[received..answered].Where(call => call.IsFlush))
        {
            if (!call.IsResumed && call.Text.Contains(log, StringComparison.Ordinal))
            {
                flushing.Add(call.Thread);
            }

            if (flushing.Contains(call.Thread) && call.HasSucceeded)
            {
                return true;
            }
        }

        return false;
    }

    private async Task<int[]> DatabaseProcessesAsync(CancellationToken cancellationToken)
    {
        if (database.Kind == DatabaseKind.Sqlite)
        {
            return [];
        }

        // Whoever flushes: the backends, the log writer, and the postmaster for those that it starts from here on.
        var ids = await database.Postgres.ReadAsync("SELECT pid FROM pg_stat_activity", cancellationToken);
        var postmaster = (await File.ReadAllTextAsync($"/proc/{ids[0]}/stat", cancellationToken)).Split(' ')[3];
        return [.. ids.Append(postmaster).Select(id => int.Parse(id, CultureInfo.InvariantCulture))];
    }

    private static async Task<Process> AttachAsync(int[] processes, string file, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo("strace") { RedirectStandardError = true };
        string[] arguments =
        [
            "-f", "-y", "-s", "512", "-o", file, "-e", "trace=fsync,fdatasync,read,recvfrom,recvmsg,write,sendto,sendmsg",
            .. processes.SelectMany(id => new[] { "-p", id.ToString(CultureInfo.InvariantCulture) }),
        ];
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        var tracer = Process.Start(start)!;
        var attached = 0;
        while (attached < processes.Length)
        {
            var line = await tracer.StandardError.ReadLineAsync(cancellationToken);
            Assert.SkipWhen(line is null || line.Contains("Operation not permitted", StringComparison.Ordinal), $"strace may not attach here: {line}");
            attached += line!.Contains(" attached", StringComparison.Ordinal) ? 1 : 0;
        }

        return tracer;
    }

    private static async Task DetachAsync(Process tracer, CancellationToken cancellationToken)
    {
        using var interrupt = Process.Start("kill", ["-INT", tracer.Id.ToString(CultureInfo.InvariantCulture)]);
        await tracer.StandardError.ReadToEndAsync(cancellationToken);
        await tracer.WaitForExitAsync(cancellationToken);
    }

    /// <summary>A line of strace: <c>123 fsync(45&lt;file&gt;) = 0</c>, or the end of a call that was under way: <c>123 &lt;... fsync resumed&gt;) = 0</c>.</summary>
    private readonly record struct Call(string Thread, string Name, bool IsResumed, string Text)
    {
        internal bool IsReceive => Name is "read" or "recvfrom" or "recvmsg";

        internal bool IsSend => !IsResumed && Name is "write" or "sendto" or "sendmsg";

        internal bool IsFlush => Name is "fsync" or "fdatasync";

        internal bool HasSucceeded => Text.EndsWith("= 0", StringComparison.Ordinal);

        internal static Call Parse(string line)
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            var text = line[(space + 1)..].TrimStart();
            var isResumed = text.StartsWith("<... ", StringComparison.Ordinal);
            var name = isResumed ? text["<... ".Length..].Split(' ')[0] : text.Split('(')[0];
            return new Call(line[..space], name, isResumed, text);
        }
    }
}

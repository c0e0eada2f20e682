using System.CommandLine;
using EhrGrains.Cli.Contexts;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Cli.Commands;

/// <summary>One run of one command: its arguments, its output, its connection, its bound in time.</summary>
internal sealed class Invocation : IAsyncDisposable
{
    private readonly ParseResult arguments;
    private ClusterConnection? cluster;

    private Invocation(ParseResult arguments, CancellationToken stopping)
    {
        this.arguments = arguments;
        Stopping = stopping;
        var streams = arguments.InvocationConfiguration;
        Output = new Output(Get(GlobalOptions.Output), Get(GlobalOptions.Quiet), streams.Output, streams.Error);
    }

    /// <summary>Set when the user or the time limit ends the command.</summary>
    internal CancellationToken Stopping { get; }

    internal Output Output { get; }

    /// <summary>Where the context is: named, or where a silo in embedded mode leaves it.</summary>
    internal string ContextPath =>
        Get(GlobalOptions.Context)
        ?? (Environment.GetEnvironmentVariable(GlobalOptions.ContextVariable) is { Length: > 0 } named ? named : GlobalOptions.ContextDefault);

    internal static async Task<int> RunAsync(
        ParseResult arguments, Func<Invocation, Task<ExitCode>> run, CancellationToken cancellationToken, bool isLimited = true)
    {
        var seconds = arguments.GetValue(GlobalOptions.TimeoutSeconds);
        var limit = isLimited || arguments.GetResult(GlobalOptions.TimeoutSeconds) is { Implicit: false }
            ? TimeSpan.FromSeconds(seconds)
            : Timeout.InfiniteTimeSpan;
        using var timeout = new CancellationTokenSource(limit, TimeProvider.System);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        await using var invocation = new Invocation(arguments, stopping.Token);
        try
        {
            return (int)await run(invocation);
        }
        catch (ProblemException refusal)
        {
            invocation.Output.Refuse(refusal);
            return (int)ExitCodes.Of(refusal.Kind);
        }
        catch (Exception e) when (e is OperationCanceledException or TimeoutException)
        {
            var message = cancellationToken.IsCancellationRequested
                ? "Stopped."
                : $"No answer within {seconds} s (--timeout), or the cluster gave up; what was asked may still happen, so look before asking again.";
            invocation.Output.Refuse(new ProblemException(ProblemKind.Unavailable, "EHR-CLI-050", "", message));
            return (int)ExitCode.Failed;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or OrleansException or HttpRequestException)
        {
            invocation.Output.Refuse(new ProblemException(ProblemKind.Unavailable, "EHR-CLI-051", "", $"{e.GetType().Name}: {e.Message}"));
            return (int)ExitCode.Failed;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            invocation.Explain(e);
            return (int)ExitCode.Failed;
        }
    }

    // A fault of the program. Its text may quote anything, so it is shown only to who asks.
    private void Explain(Exception fault) => Output.Refuse(new ProblemException(
        ProblemKind.Unavailable, "EHR-CLI-052", "",
        Get(GlobalOptions.Verbose) ? fault.ToString() : $"Unexpected {fault.GetType().Name}. Are program and cluster of the same version? --verbose shows the whole."));

    internal T Get<T>(Argument<T> argument) => arguments.GetValue(argument)!;

    internal T Get<T>(Option<T> option) => arguments.GetValue(option)!;

    internal ClusterContext ReadContext() => ClusterContext.Read(ContextPath);

    /// <summary>The cluster of the context; connected at first use, closed at the end.</summary>
    internal async Task<ClusterConnection> ConnectAsync() =>
        cluster ??= await ClusterConnection.OpenAsync(ReadContext(), Log, Stopping);

    /// <summary>The same with a token that may read raw messages, which is only asked for by the commands that do.</summary>
    internal async Task<ClusterConnection> ConnectForMessagesAsync() =>
        cluster ??= await ClusterConnection.OpenAsync(ReadContext(), Log, Stopping, Contracts.Callers.CallContext.ReadMessagesScope);

    /// <summary>The same with a token that may write a resource type, which an app's own does not say unless it is asked for.</summary>
    internal async Task<ClusterConnection> ConnectToWriteAsync(string type, bool isUpdate) =>
        cluster ??= await ClusterConnection.OpenAsync(ReadContext(), Log, Stopping, $"system/{type}.{(isUpdate ? "u" : "c")}");

    public async ValueTask DisposeAsync()
    {
        if (cluster is not null)
        {
            await cluster.DisposeAsync();
        }
    }

    // What the Orleans client has to say is of use to few; errors reach the user as sentences of ours.
    private void Log(ILoggingBuilder logging)
    {
        if (Get(GlobalOptions.Verbose))
        {
            logging.AddSimpleConsole(console => console.SingleLine = true).SetMinimumLevel(LogLevel.Information);
            logging.AddFilter<Microsoft.Extensions.Logging.Console.ConsoleLoggerProvider>(null, LogLevel.Information);
            Microsoft.Extensions.DependencyInjection.OptionsServiceCollectionExtensions.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(
                logging.Services, console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        }
    }
}

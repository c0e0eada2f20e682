using System.Diagnostics;
using System.Text;

namespace EhrGrains.Testing;

/// <summary>
/// One of our programs as a real process, its output kept in a file. It is ended, if it still runs, when disposed; it can be
/// killed, stopped and continued like any process.
/// </summary>
public sealed class ChildProcess : IAsyncDisposable
{
    private const int SignalKill = 9;
    private const int SignalTerminate = 15;
    private const int SignalContinue = 18;
    private const int SignalStop = 19;

    private readonly Process process;
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly StringBuilder output = new();
    private readonly StreamWriter log;
    private readonly string readyWhen;
    private bool disposed;

    private ChildProcess(ProcessStartInfo start, string logFile, string readyWhen)
    {
        this.readyWhen = readyWhen;
        log = new StreamWriter(File.Open(logFile, FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true };
        process = new Process { StartInfo = start, EnableRaisingEvents = true };
        process.OutputDataReceived += (_, line) => OnLine(line.Data);
        process.ErrorDataReceived += (_, line) => OnLine(line.Data);
        process.Exited += (_, _) => ready.TrySetException(new InvalidOperationException($"The process ended before it was ready:\n{Output}"));
    }

    public int Id => process.Id;

    public bool HasExited => process.HasExited;

    public int ExitCode => process.ExitCode;

    public string Output
    {
        get
        {
            lock (output)
            {
                return output.ToString();
            }
        }
    }

    /// <summary>Starts one of our assemblies with <c>dotnet</c>; it is ready when a line of output holds <paramref name="readyWhen"/>.</summary>
    public static async Task<ChildProcess> StartAsync(
        string assembly,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        string logFile,
        string readyWhen,
        CancellationToken cancellationToken)
    {
        var child = Start(assembly, arguments, environment, logFile, readyWhen);
        try
        {
            await child.ready.Task.WaitAsync(TimeSpan.FromSeconds(60), cancellationToken);
        }
        catch (TimeoutException e)
        {
            var said = child.Output;
            await child.DisposeAsync();
            throw new TimeoutException($"{assembly} was not ready within 60 s. It said:\n{said}", e);
        }

        return child;
    }

    /// <summary>Runs one of our assemblies to its end.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(
        string assembly,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        string logFile,
        CancellationToken cancellationToken)
    {
        await using var child = Start(assembly, arguments, environment, logFile, "\0");
        await child.process.WaitForExitAsync(cancellationToken);
        return (child.ExitCode, child.Output);
    }

    public void Kill() => Signal(SignalKill);

    /// <summary>Asks it to end in good order.</summary>
    public void Terminate() => Signal(SignalTerminate);

    public void Stop() => Signal(SignalStop);

    public void Continue() => Signal(SignalContinue);

    public async Task WaitForExitAsync(CancellationToken cancellationToken) => await process.WaitForExitAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref disposed, true))
        {
            return;
        }

        if (!process.HasExited)
        {
            Signal(SignalContinue);
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None);
        }

        process.Dispose();
        await log.DisposeAsync();
    }

    private static ChildProcess Start(
        string assembly, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment, string logFile, string readyWhen)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            WorkingDirectory = Path.GetDirectoryName(logFile)!,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, assembly));
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var child = new ChildProcess(start, logFile, readyWhen);
        child.process.Start();
        child.process.StandardInput.Close();
        child.process.BeginOutputReadLine();
        child.process.BeginErrorReadLine();
        return child;
    }

    private void OnLine(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (output)
        {
            output.AppendLine(line);
            if (log.BaseStream.CanWrite)
            {
                log.WriteLine(line);
            }
        }

        if (line.Contains(readyWhen, StringComparison.Ordinal))
        {
            ready.TrySetResult();
        }
    }

    private void Signal(int signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }
}

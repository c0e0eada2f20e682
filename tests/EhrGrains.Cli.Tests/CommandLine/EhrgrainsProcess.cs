using System.Diagnostics;
using EhrGrains.Testing;

namespace EhrGrains.Cli.Tests.CommandLine;

/// <summary>Runs the real program as a process of its own.</summary>
internal static class EhrgrainsProcess
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    internal static string Path { get; } = Program("EhrGrains.Cli", "ehrgrains");

    internal static string TestFolder { get; } = System.IO.Path.Combine(SharedData.RepositoryRoot(), "tests", "EhrGrains.Cli.Tests");

    /// <summary>
    /// A program where its own build put it, in the configuration that is tested: a copy among the tests' files would lack what
    /// the tests' shared framework brings.
    /// </summary>
    internal static string Program(string project, string name) => System.IO.Path.Combine(
        SharedData.RepositoryRoot(), "artifacts", "bin", project, new DirectoryInfo(AppContext.BaseDirectory).Name,
        OperatingSystem.IsWindows() ? name + ".exe" : name);

    internal static Task<ProcessResult> RunAsync(params string[] arguments) => RunAsync(arguments, new RunSettings());

    internal static async Task<ProcessResult> RunAsync(string[] arguments, RunSettings settings)
    {
        var start = new ProcessStartInfo(settings.Program ?? Path, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = settings.Directory ?? TestFolder,
        };
        foreach (var inherited in start.Environment.Keys.Where(name => name.StartsWith("EHRGRAINS", StringComparison.OrdinalIgnoreCase)).ToArray())
        {
            start.Environment.Remove(inherited);
        }

        foreach (var (name, value) in settings.Environment ?? [])
        {
            start.Environment[name] = value;
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(settings.Limit ?? Limit);
        using var process = Process.Start(start)!;
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            if (settings.Input is not null)
            {
                await process.StandardInput.WriteAsync(settings.Input.AsMemory(), limit.Token);
            }

            process.StandardInput.Close();
            await process.WaitForExitAsync(limit.Token);
            return new ProcessResult(process.ExitCode, await output, await error);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }
}

internal sealed record RunSettings
{
    internal string? Program { get; init; }

    internal string? Input { get; init; }

    internal string? Directory { get; init; }

    internal TimeSpan? Limit { get; init; }

    internal Dictionary<string, string>? Environment { get; init; }
}

internal sealed record ProcessResult(int ExitCode, string Output, string Error)
{
    internal ProcessResult ShouldExit(int code)
    {
        ExitCode.ShouldBe(code, $"stdout:\n{Output}\nstderr:\n{Error}");
        return this;
    }
}

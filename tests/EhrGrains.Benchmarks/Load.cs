using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace EhrGrains.Benchmarks;

/// <summary>What a run of load measured.</summary>
/// <param name="PerSecond">Answers a second.</param>
/// <param name="CpuMicroseconds">CPU time of the measured process for one answer.</param>
/// <param name="Errors">Answers that were not 2xx, and socket errors.</param>
internal sealed record LoadResult(double PerSecond, double CpuMicroseconds, long Errors);

/// <summary>Load from wrk, a process of its own, on 16 connections unless said; and the CPU time of the process under load from /proc.</summary>
internal static partial class Load
{
    internal const int Connections = 16;

    internal static bool IsAvailable => File.Exists("/usr/bin/wrk");

    internal static Task<LoadResult> RunAsync(string url, string authorization, int processId, TimeSpan length) =>
        RunAsync(url, [$"Authorization: {authorization}"], processId, length);

    internal static async Task<LoadResult> RunAsync(string url, IEnumerable<string> headers, int processId, TimeSpan length, int connections = Connections)
    {
        var cpuBefore = CpuSeconds(processId);
        var start = new ProcessStartInfo("wrk") { RedirectStandardOutput = true };
        string[] arguments =
        [
            "-t1", $"-c{connections.ToString(CultureInfo.InvariantCulture)}", $"-d{length.TotalSeconds.ToString(CultureInfo.InvariantCulture)}s",
            .. headers.SelectMany(header => new[] { "-H", header }), "-H", "Accept: application/fhir+json", url,
        ];
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var wrk = Process.Start(start)!;
        var output = await wrk.StandardOutput.ReadToEndAsync();
        await wrk.WaitForExitAsync();
        var cpu = CpuSeconds(processId) - cpuBefore;
        var requests = Number(Requests(), output);
        var errors = (long)Number(NonSuccess(), output) + output.Split("Socket errors").Length - 1;
        return new LoadResult(Number(Rate(), output), cpu / Math.Max(requests, 1) * 1e6, errors);
    }

    // utime and stime are fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms; the name before them may hold blanks.
    internal static double CpuSeconds(int processId)
    {
        var stat = File.ReadAllText($"/proc/{processId}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / 100.0;
    }

    /// <summary>The process's memory in use, VmRSS of /proc/PID/status.</summary>
    internal static long ResidentBytes(int processId) =>
        long.Parse(
            File.ReadLines($"/proc/{processId}/status").First(static line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
            CultureInfo.InvariantCulture) * 1024;

    private static double Number(Regex pattern, string text) =>
        pattern.Match(text) is { Success: true } match ? double.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(@"Requests/sec:\s+([\d.]+)", RegexOptions.None, 1000)]
    private static partial Regex Rate();

    [GeneratedRegex(@"(\d+) requests in", RegexOptions.None, 1000)]
    private static partial Regex Requests();

    [GeneratedRegex(@"Non-2xx or 3xx responses: (\d+)", RegexOptions.None, 1000)]
    private static partial Regex NonSuccess();
}

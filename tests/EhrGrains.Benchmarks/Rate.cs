using System.Diagnostics;
using System.Globalization;

namespace EhrGrains.Benchmarks;

/// <summary>How often something can be done in a second of CPU time, and what it allocates each time: the median of five rounds.</summary>
/// <param name="PerCpuSecond">Times a second of this process's CPU time.</param>
/// <param name="AllocatedBytes">Bytes allocated each time.</param>
internal sealed record Rate(double PerCpuSecond, double AllocatedBytes)
{
    private const int Rounds = 5;
    private static readonly TimeSpan Round = TimeSpan.FromMilliseconds(700);

    internal static Rate Measure(Action action)
    {
        Time(action, TimeSpan.FromSeconds(2));
        var rounds = Enumerable.Range(0, Rounds).Select(_ => Time(action, Round)).OrderBy(rate => rate.PerCpuSecond).ToArray();
        return rounds[Rounds / 2];
    }

    internal static string Text(double perSecond) => perSecond.ToString(perSecond >= 10_000 ? "N0" : "N1", CultureInfo.InvariantCulture);

    private static Rate Time(Action action, TimeSpan length)
    {
        using var process = Process.GetCurrentProcess();
        var batch = 1L;
        var count = 0L;
        process.Refresh();
        var cpu = process.TotalProcessorTime;
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < length)
        {
            for (var i = 0L; i < batch; i++)
            {
                action();
            }

            count += batch;
            batch = Math.Min(batch * 2, 1_000);
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        process.Refresh();
        return new Rate(count / Math.Max((process.TotalProcessorTime - cpu).TotalSeconds, 1e-6), (double)allocated / count);
    }
}

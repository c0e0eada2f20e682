using System.Globalization;
using EhrGrains.Fuzz;
using SharpFuzz;

// EhrGrains.Fuzz --seconds N [--seed N]      mutates known messages for so long; ends with 1 at the first broken law and keeps its input
// EhrGrains.Fuzz replay TARGET FILE…         runs a target on inputs that were kept
// EhrGrains.Fuzz libfuzzer|afl TARGET        under a fuzzer, on EhrGrains.Hl7v2.dll instrumented with: sharpfuzz EhrGrains.Hl7v2.dll
switch (args)
{
    case ["--seconds", var seconds, .. var rest]:
        var seed = rest is ["--seed", var number] ? int.Parse(number, CultureInfo.InvariantCulture) : Environment.TickCount;
        Console.WriteLine($"Seed {seed}.");
        var found = MutationRun.Run(TimeSpan.FromSeconds(int.Parse(seconds, CultureInfo.InvariantCulture)), int.MaxValue, seed);
        foreach (var (target, count) in found.Inputs)
        {
            Console.WriteLine($"{target}: {count:N0} inputs");
        }

        if (found.Failure is not { } failure)
        {
            return 0;
        }

        var path = Path.Combine(Path.GetTempPath(), $"{failure.Target}.fuzz");
        await File.WriteAllBytesAsync(path, failure.Input);
        await Console.Error.WriteLineAsync($"{failure.Target} failed on {path}: {failure.Reason}");
        return 1;
    case ["replay", var target, .. var files] when FuzzTargets.All.TryGetValue(target, out var run):
        foreach (var file in files)
        {
            run(await File.ReadAllBytesAsync(file));
        }

        return 0;
    case ["libfuzzer", var target] when FuzzTargets.All.TryGetValue(target, out var run):
        Fuzzer.LibFuzzer.Run(input => run(input.ToArray()));
        return 0;
    case ["afl", var target] when FuzzTargets.All.TryGetValue(target, out var run):
        Fuzzer.OutOfProcess.Run(stream =>
        {
            using var input = new MemoryStream();
            stream.CopyTo(input);
            run(input.ToArray());
        });
        return 0;
    default:
        await Console.Error.WriteLineAsync($"Usage: EhrGrains.Fuzz --seconds N | replay TARGET FILE… | libfuzzer TARGET | afl TARGET, TARGET one of {string.Join(", ", FuzzTargets.All.Keys)}");
        return 2;
}

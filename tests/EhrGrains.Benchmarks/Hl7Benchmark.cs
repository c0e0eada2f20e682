using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Benchmarks;

/// <summary>Reading HL7 v2 against a bare vectorized search of the same bytes for the same two delimiters.</summary>
internal static class Hl7Benchmark
{
    private static readonly Hl7Address[] TenFields =
        [.. new[] { "MSH-10", "PID-3.1", "PID-5.1", "PID-5.2", "PID-7", "PID-8", "PV1-2", "PV1-3.1", "PV1-19.1", "MSH-7" }.Select(address => Hl7Address.Parse(address, null))];

    internal static IEnumerable<string[]> Run(string folder)
    {
        foreach (var name in new[] { "adt", "oru30", "orupdf", "siu" })
        {
            var bytes = File.ReadAllBytes(Path.Combine(folder, name + ".hl7"));
            using var message = new Hl7Message();
            var scan = Rate.Measure(() => Scan(bytes));
            var parse = Rate.Measure(() => message.Read(bytes));
            var fields = Rate.Measure(() =>
            {
                message.Read(bytes);
                foreach (var address in TenFields)
                {
                    _ = message[address].GetString();
                }
            });
            yield return [name, Rate.Text(scan.PerCpuSecond), Rate.Text(parse.PerCpuSecond), $"{parse.PerCpuSecond / scan.PerCpuSecond:F2}",
                $"{parse.AllocatedBytes:F0}", Rate.Text(fields.PerCpuSecond), $"{fields.AllocatedBytes:F0}"];
        }
    }

    private static void Scan(ReadOnlySpan<byte> bytes)
    {
        while (bytes.IndexOfAny((byte)'|', (byte)'\r') is >= 0 and var at)
        {
            bytes = bytes[(at + 1)..];
        }
    }
}

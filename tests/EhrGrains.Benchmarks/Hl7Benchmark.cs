using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Benchmarks;

/// <summary>
/// Reading HL7 v2 against a bare vectorized scan of the same bytes: one that finds each separator, component, repetition, escape
/// and line end and adds up where they are, and does nothing else.
/// </summary>
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
            var sum = 0L;
            var scan = Rate.Measure(() => sum += Scan(bytes));
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

    private static long Scan(ReadOnlySpan<byte> bytes)
    {
        var sum = 0L;
        ref var first = ref MemoryMarshal.GetReference(bytes);
        var position = 0;
        for (; position <= bytes.Length - 32; position += 32)
        {
            var block = Vector256.LoadUnsafe(ref first, (nuint)position);
            var found = Vector256.Equals(block, Vector256.Create((byte)'|')) | Vector256.Equals(block, Vector256.Create((byte)'^'))
                | Vector256.Equals(block, Vector256.Create((byte)'~')) | Vector256.Equals(block, Vector256.Create((byte)'\\'))
                | Vector256.Equals(block, Vector256.Create((byte)'\r'));
            for (var mask = found.ExtractMostSignificantBits(); mask != 0; mask &= mask - 1)
            {
                sum += position + BitOperations.TrailingZeroCount(mask);
            }
        }

        for (; position < bytes.Length; position++)
        {
            sum += bytes[position] is (byte)'|' or (byte)'^' or (byte)'~' or (byte)'\\' or (byte)'\r' ? position : 0;
        }

        return sum;
    }
}

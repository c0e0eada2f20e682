using System.Diagnostics;
using System.Text;

namespace EhrGrains.Fuzz;

/// <summary>What a run came to.</summary>
internal sealed record MutationResult(IReadOnlyDictionary<string, int> Inputs, MutationFailure? Failure);

/// <summary>A target that broke a law, and the input on which it did.</summary>
internal sealed record MutationFailure(string Target, byte[] Input, string Reason);

/// <summary>
/// Mutates known inputs, the same way for the same seed. Besides the laws of the targets it holds each input to a bound in time and
/// in memory: what grows faster than its input would let a sender bring a listener down.
/// </summary>
internal static class MutationRun
{
    private const int InputBytesMax = 16 * 1024;

    // \.sp100\ makes 100 lines of 8 bytes; a value is decoded, encoded and decoded again.
    private const int AllocatedPerByteMax = 400;
    private const int AllocatedMax = 4 * 1024 * 1024;
    private static readonly TimeSpan TimeMax = TimeSpan.FromSeconds(5);

    private static readonly byte[][] Seeds =
    [
        .. new[]
        {
            "MSH|^~\\&|LAB|A|APP|B|20240131120000||ORU^R01^ORU_R01|42|P|2.5.1\rPID|1||7^^^A&1.2&ISO^MR~8||DOE^JOHN^^^^^L||19700101|M|||1 Main^^X\rORC|RE\rOBR|1|||A^a^L\r"
                + "OBX|1|NM|718-7^Hgb^LN||13.2|g/dL|||||F\rOBX|2|FT|x||a\\.br\\b\\X0D0A\\c\\T\\d\\E\\e\\H\\f\\N\\||||||F\rNTE|1||C:\\temp\rZZ1|x\r",
            "MSH#*+!@#A#B#C#D#2024##ADT*A40#77#P#2.3\rEVN##2024\rPID#1##7*8+9\rMRG#1\r",
            "MSH|^~\\&#|A|B|C|D|2024||SIU^S12|1|P|2.7|||AL|NE||UNICODE UTF-8\nSCH|1\nPID|1||\"\"\nAIS|1\n line two\n",
            "FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5\rPID|1\rMSH|^~\\&|A|B|C|D|2024||ADT^A01|2|P|2.5\rPID|2\rBTS|2\rFTS|1\r",
            "\u000BMSH|^~\\&|A|B|C|D|2024||ACK|1|P|2.5\rMSA|AA|1\r\u001C\r\u000BMSH|^~\\&|A\r\u001C\r\n\0\u000BMSH|^~\\&|B\r\u000BMSH|^~\\&|C\r\u001C",
            "\u001B$B;3ED\u001B(B \\M2442\\\\X3B334544\\\\C2842\\ \\X00E9\\ \\XC3A9\\ \\.sp99\\\\.sk100\\\\Zx\\",
        }.Select(Encoding.Latin1.GetBytes),
        Encoding.Unicode.GetBytes("\uFEFFMSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5\rPID|1||7||Łódź\r"),
    ];

    private static readonly byte[][] Words =
    [
        .. new[]
        {
            "MSH|^~\\&|", "MSH", "PID|", "OBX|1|NM|", "\r", "\n", "\r\n", "|", "^", "~", "\\", "&", "#", "\\F\\", "\\E\\", "\\X", "\\X0D\\", "\\.sp100\\", "\\M2442\\",
            "\"\"", "\u000B", "\u001C", "\u001C\r", "\0", "||||||||||", "~~~~~~~~", "^^^^^^^^", "ISO IR87", "UNICODE UTF-8", "2.7", "BTS|1", "FHS|^~\\&|", "   ",
            "20240131120000.1234-0500", "99999999999999999999", "-1", "data:;base64,", "\u00FF\u00FE", "\u00C3\u00A9", "\u0081\u0030\u0081\u0030",
        }.Select(Encoding.Latin1.GetBytes),
    ];

    internal static MutationResult Run(TimeSpan length, int inputsPerTargetMax, int seed)
    {
        var clock = Stopwatch.StartNew();
        var counts = FuzzTargets.All.Keys.ToDictionary(target => target, _ => 0);
        var random = new Random(seed);
        var pool = new List<byte[]>(Seeds);
        for (var round = 0; round < inputsPerTargetMax && clock.Elapsed < length; round++)
        {
            var input = Mutate(pool[random.Next(pool.Count)], pool[random.Next(pool.Count)], random);
            foreach (var (target, run) in FuzzTargets.All)
            {
                counts[target]++;
                if (Try(run, input) is { } reason)
                {
                    return new MutationResult(counts, new MutationFailure(target, input, reason));
                }
            }

            // What came of mutation is mutated on, in a pool of bounded size that forgets at random.
            if (random.Next(4) == 0)
            {
                if (pool.Count < 256)
                {
                    pool.Add(input);
                }
                else
                {
                    pool[random.Next(Seeds.Length, pool.Count)] = input;
                }
            }
        }

        return new MutationResult(counts, null);
    }

    private static string? Try(Action<byte[]> run, byte[] input)
    {
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var clock = Stopwatch.StartNew();
        try
        {
            run(input);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return e.ToString();
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        return clock.Elapsed > TimeMax ? $"took {clock.Elapsed}"
            : allocated > AllocatedMax + ((long)AllocatedPerByteMax * input.Length) ? $"allocated {allocated} bytes for {input.Length}"
            : null;
    }

    private static byte[] Mutate(byte[] from, byte[] other, Random random)
    {
        var bytes = from.ToList();
        for (var times = random.Next(1, 8); times > 0; times--)
        {
            var at = random.Next(bytes.Count + 1);
            var length = random.Next(Math.Min(64, bytes.Count - at) + 1);
            switch (random.Next(7))
            {
                case 0:
                    bytes.RemoveRange(at, length);
                    break;
                case 1:
                    bytes.InsertRange(at, Words[random.Next(Words.Length)]);
                    break;
                case 2 when at < bytes.Count:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 3 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 4:
                    bytes.InsertRange(random.Next(bytes.Count + 1), bytes.GetRange(at, length));
                    break;
                case 5:
                    bytes.InsertRange(at, other.Skip(random.Next(other.Length)).Take(random.Next(512)));
                    break;
                default:
                    bytes.InsertRange(at, Enumerable.Repeat(bytes.Count > at ? bytes[at] : (byte)'|', random.Next(200)));
                    break;
            }
        }

        return [.. bytes.Take(InputBytesMax)];
    }
}

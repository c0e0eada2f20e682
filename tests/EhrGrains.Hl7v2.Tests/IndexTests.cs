using CsCheck;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Tests;

public sealed class IndexTests
{
    private static readonly byte[] Alphabet = [.. "xxxxxxxxxxxxxxxx||||||||"u8, (byte)'\r', (byte)'\n', (byte)'\\', 0, 0x1B, 0xC3, (byte)' ', 0x7F];

    [Fact]
    public void Vectors_of_every_width_find_what_a_plain_loop_finds() =>
        Gen.Int[0, Alphabet.Length - 1].Select(i => Alphabet[i])
            .Array[0, 400].Sample(body =>
            {
                byte[] bytes = [.. "MSH|^~\\&"u8, (byte)'|', .. body];
                var expected = Plain(bytes);
                Found<ByteBlock128>(bytes).ShouldBe(expected);
                Found<ByteBlock256>(bytes).ShouldBe(expected);
                Found<ByteBlock512>(bytes).ShouldBe(expected);
            });

    [Fact]
    public void A_reader_that_is_used_again_allocates_nothing()
    {
        var bytes = Wire.Bytes(Wire.Header.Replace("||ORU", "|||ORU", StringComparison.Ordinal), "PID|1||7^^^A~8||DOE^JOHN", "OBX|1|NM|x||1");
        using var message = new Hl7Message();
        message.Read(bytes).Ok.ShouldBeTrue();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++)
        {
            message.Read(bytes);
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }

    private static string Found<TBlock>(byte[] bytes)
        where TBlock : struct, IByteBlock
    {
        using var index = new DelimiterIndex();
        index.Build<TBlock>(bytes, (byte)'|', (byte)'\\', 8);
        var lines = string.Join(' ', index.Lines.ToArray().Select(line => $"{line.Start}-{line.End}:{line.FirstSeparator}+{line.SeparatorCount}"));
        return $"{string.Join(' ', index.Separators.ToArray())} / {lines} / {index.HasHigh} {index.HasControl} {index.HasEscape} {index.HasLineFeed}";
    }

    private static string Plain(byte[] bytes)
    {
        var separators = new List<int> { 3 };
        var lines = new List<string>();
        var (start, first) = (0, 0);
        for (var i = 8; i <= bytes.Length; i++)
        {
            if (i == bytes.Length || bytes[i] is (byte)'\r' or (byte)'\n')
            {
                if (i > start)
                {
                    lines.Add($"{start}-{i}:{first}+{separators.Count - first}");
                }

                (start, first) = (i + 1, separators.Count);
            }
            else if (bytes[i] == '|')
            {
                separators.Add(i);
            }
        }

        var rest = bytes[8..];
        var hasControl = rest.Any(b => b < ' ' && b is not ((byte)'\r' or (byte)'\n'));
        return $"{string.Join(' ', separators)} / {string.Join(' ', lines)} / {rest.Any(b => b >= 0x80)} {hasControl} {rest.Contains((byte)'\\')} {rest.Contains((byte)'\n')}";
    }
}

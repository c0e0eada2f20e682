using System.Buffers;
using CsCheck;
using EhrGrains.Hl7v2.Mllp;

namespace EhrGrains.Hl7v2.Tests;

public sealed class MllpReaderTests
{
    private const string Vt = "\u000B";
    private const string Fs = "\u001C";

    [Theory]
    [InlineData($"{Vt}MSH|1\r{Fs}\r", "MSH|1\r")]
    [InlineData($"{Vt}MSH|1\r{Fs}\r{Vt}MSH|2\r{Fs}\r", "MSH|1\r", "MSH|2\r")]
    [InlineData($"{Vt}MSH|1\r{Fs}{Vt}MSH|2\r{Fs}\r", "MSH|1\r", "MSH|2\r")]
    [InlineData($"{Vt}MSH|1\r{Fs}\n{Vt}MSH|2\r{Fs}\r\n\0\0", "MSH|1\r", "MSH|2\r")]
    [InlineData($"\r\n\0{Vt}MSH|1\r{Fs}\r", "MSH|1\r")]
    [InlineData($"{Vt}{Vt}MSH|1\r{Fs}\r", "MSH|1\r")]
    [InlineData($"{Vt}MSH|1\r{Vt}MSH|2\r{Fs}\r", "MSH|1\r", "MSH|2\r")]
    [InlineData($"{Vt}MSH|a{Vt}b|1\r{Fs}\r", "MSH|a\u000Bb|1\r")]
    [InlineData($"{Vt}{Fs}\r", "")]
    [InlineData($"{Vt}MSH|1\r{Fs}{Fs}\r{Vt}MSH|2\r{Fs}\r", "MSH|1\r", "MSH|2\r")]
    public void Frames_are_found_however_the_stream_is_cut(string stream, params string[] frames)
    {
        var bytes = System.Text.Encoding.Latin1.GetBytes(stream);
        ReadAll(bytes, [bytes.Length]).ShouldBe(frames);
        ReadAll(bytes, Enumerable.Repeat(1, bytes.Length)).ShouldBe(frames);
        for (var cut = 1; cut < bytes.Length; cut++)
        {
            ReadAll(bytes, [cut, bytes.Length - cut]).ShouldBe(frames);
        }
    }

    [Theory]
    [InlineData(99)]
    [InlineData(100)]
    public void A_frame_as_large_as_is_allowed_is_read_however_it_is_cut(int length)
    {
        var lost = new string('x', length);
        var bytes = System.Text.Encoding.Latin1.GetBytes($"{Vt}{lost}{Vt}MSH|1\r{Fs}\r{Vt}{lost}{Fs}\r");
        for (var cut = 1; cut < bytes.Length; cut++)
        {
            ReadAll(bytes, [cut, bytes.Length - cut], frameBytesMax: 100).ShouldBe([lost, "MSH|1\r", lost], $"cut at {cut}");
        }

        ReadAll(bytes, Enumerable.Repeat(1, bytes.Length), frameBytesMax: 100).ShouldBe([lost, "MSH|1\r", lost]);
    }

    [Fact]
    public void The_line_end_of_a_frame_is_no_stray_byte_when_it_comes_late()
    {
        var reader = new MllpReader(100);
        reader.Read(new ReadOnlySequence<byte>([MllpBytes.Start, (byte)'x', MllpBytes.End]), out _, out _).ShouldBe(MllpReadStatus.Frame);
        reader.Read(new ReadOnlySequence<byte>([MllpBytes.CarriageReturn, MllpBytes.Start]), out _, out _).ShouldBe(MllpReadStatus.NeedMore);
        reader.StrayBytes.ShouldBe(0);
    }

    [Fact]
    public void Any_messages_come_out_of_any_cut_as_they_went_in()
    {
        var message = Gen.Byte.Where(b => b is not (MllpBytes.Start or MllpBytes.End)).Array[2, 300];
        Gen.Select(message.Array[0, 6], Gen.Int[1, 50].Array[1, 40]).Sample((messages, cuts) =>
        {
            var stream = new ArrayBufferWriter<byte>();
            foreach (var one in messages)
            {
                MllpBytes.Write(stream, one);
            }

            ReadAll(stream.WrittenSpan.ToArray(), Endless(cuts)).ShouldBe(messages.Select(one => Wire.Text(one)));
        });
    }

    [Fact]
    public void Release_2_commit_blocks_are_told_from_messages()
    {
        var reader = new MllpReader(100);
        reader.Read(new ReadOnlySequence<byte>([MllpBytes.Start, MllpBytes.Acknowledge, MllpBytes.End, 13]), out _, out _).ShouldBe(MllpReadStatus.Committed);
        reader.Read(new ReadOnlySequence<byte>([MllpBytes.Start, MllpBytes.NegativeAcknowledge, MllpBytes.End, 13]), out _, out _)
            .ShouldBe(MllpReadStatus.NotCommitted);
    }

    [Fact]
    public void A_frame_without_an_end_is_given_up_at_the_limit()
    {
        var reader = new MllpReader(frameBytesMax: 100);
        var bytes = new byte[102];
        Array.Fill(bytes, (byte)'x');
        bytes[0] = MllpBytes.Start;
        reader.Read(new ReadOnlySequence<byte>(bytes), out _, out _).ShouldBe(MllpReadStatus.TooLarge);
    }

    [Fact]
    public void A_stream_that_is_not_MLLP_is_given_up_at_the_limit()
    {
        var reader = new MllpReader(100, strayBytesMax: 10);
        reader.Read(new ReadOnlySequence<byte>("GET / HTTP/1.1\r\n"u8.ToArray()), out _, out _).ShouldBe(MllpReadStatus.NotMllp);
    }

    [Fact]
    public void A_million_doubled_starts_are_only_stray_bytes()
    {
        var bytes = new byte[1_000_000];
        Array.Fill(bytes, MllpBytes.Start);
        var reader = new MllpReader(100);
        reader.Read(new ReadOnlySequence<byte>(bytes), out _, out _).ShouldBe(MllpReadStatus.NeedMore);
        reader.StrayBytes.ShouldBe(999_999);
    }

    private static IEnumerable<int> Endless(int[] cuts)
    {
        for (var i = 0; ; i++)
        {
            yield return cuts[i % cuts.Length];
        }
    }

    private static List<string> ReadAll(byte[] bytes, IEnumerable<int> cuts, int frameBytesMax = 10_000)
    {
        var reader = new MllpReader(frameBytesMax);
        var frames = new List<string>();
        int kept = 0, arrived = 0;
        foreach (var cut in cuts)
        {
            arrived = Math.Min(arrived + cut, bytes.Length);
            while (true)
            {
                var buffer = new ReadOnlySequence<byte>(bytes, kept, arrived - kept);
                var status = reader.Read(buffer, out var consumed, out var content);
                kept += (int)buffer.Slice(0, consumed).Length;
                if (status is not (MllpReadStatus.Frame or MllpReadStatus.Unterminated))
                {
                    break;
                }

                frames.Add(Wire.Text(content.ToArray()));
            }

            if (arrived == bytes.Length)
            {
                break;
            }
        }

        return frames;
    }
}

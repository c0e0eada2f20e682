using System.Text;
using CsCheck;
using EhrGrains.Connect.Bulk;

namespace EhrGrains.Connect.Tests.Bulk;

public sealed class NdjsonReaderTests
{
    private const int LineMax = 2_000;

    [Fact]
    public async Task Lines_are_the_same_however_the_bytes_arrive() => await Gen
        .Select(Gen.String[Gen.Char["aé😀 "[..2]], 0, 300].Array[0, 20], Gen.Int[1, 50].Array[1, 5], Gen.Bool)
        .SampleAsync(async (texts, pieces, isEnded) =>
        {
            var file = Encoding.UTF8.GetBytes(string.Join("\r\n", texts) + (isEnded ? "\n" : ""));
            using var stream = new Dribble(file, pieces);
            (await LinesAsync(stream)).ShouldBe(texts.Where(static text => text.Length > 0));
        }, iter: 200);

    [Fact]
    public async Task Blank_lines_and_a_byte_order_mark_are_no_lines()
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes("\uFEFF{1}\n\n \r\n{2}\n\n"));
        (await LinesAsync(stream)).ShouldBe(["{1}", "{2}"]);
    }

    [Theory]
    [InlineData(LineMax + 1)]
    [InlineData(3_000_000)]
    public async Task A_line_above_the_bound_is_left_and_counted(int length)
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes("{1}\n" + new string('x', length) + "\n{2}"));
        using var reader = new NdjsonReader(stream, LineMax);
        (await LinesAsync(reader)).ShouldBe(["{1}", "{2}"]);
        reader.TooLong.ShouldBe(1);
    }

    [Fact]
    public async Task A_line_that_no_pooled_buffer_holds_is_read_whole_and_so_are_those_after_it()
    {
        string[] lines = ["{1}", new('x', 5_000_000), "{2}"];
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(string.Join('\n', lines)));
        using var reader = new NdjsonReader(stream, 8_000_000);
        (await LinesAsync(reader)).SequenceEqual(lines).ShouldBeTrue();
        reader.TooLong.ShouldBe(0);
    }

    [Fact]
    public async Task A_line_above_the_bound_at_the_end_is_counted_once()
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes("{1}\n" + new string('x', 2_000_000)));
        using var reader = new NdjsonReader(stream, LineMax);
        (await LinesAsync(reader)).ShouldBe(["{1}"]);
        reader.TooLong.ShouldBe(1);
    }

    [Fact]
    public async Task The_offset_is_where_the_next_line_begins()
    {
        var file = "{1}\r\n{22}\n{333}\n"u8.ToArray();
        using var reader = new NdjsonReader(new MemoryStream(file), LineMax);
        await reader.ReadAsync(TestContext.Current.CancellationToken);
        reader.TryRead(out _).ShouldBeTrue();
        reader.TryRead(out _).ShouldBeTrue();

        using var rest = new NdjsonReader(new MemoryStream(file[(int)reader.Offset..]), LineMax, reader.Offset);

        (await LinesAsync(rest)).ShouldBe(["{333}"]);
        rest.Offset.ShouldBe(file.Length);
    }

    private static async Task<List<string>> LinesAsync(Stream stream)
    {
        using var reader = new NdjsonReader(stream, LineMax);
        return await LinesAsync(reader);
    }

    private static async Task<List<string>> LinesAsync(NdjsonReader reader)
    {
        var lines = new List<string>();
        do
        {
            while (reader.TryRead(out var line))
            {
                lines.Add(Encoding.UTF8.GetString(line.Span));
            }
        }
        while (await reader.ReadAsync(TestContext.Current.CancellationToken));
        return lines;
    }

    // Gives out bytes in pieces of these sizes, over and over.
    private sealed class Dribble(byte[] bytes, int[] pieces) : MemoryStream(bytes)
    {
        private int next;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, pieces[next++ % pieces.Length])], cancellationToken);
    }
}

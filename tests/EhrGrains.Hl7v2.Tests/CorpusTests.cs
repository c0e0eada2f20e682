using EhrGrains.Hl7v2.Batches;
using EhrGrains.Hl7v2.Editing;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Testing;

namespace EhrGrains.Hl7v2.Tests;

/// <summary>Every public message at hand, with its quirks as its sender wrote them.</summary>
public sealed class CorpusTests
{
    private static readonly Lazy<(string Name, byte[] Bytes)[]> Corpus = new(() =>
        [.. Directory.GetFiles(SharedData.Require("hl7/messages"), "*.hl7").Order(StringComparer.Ordinal).Select(path => (Path.GetFileName(path), File.ReadAllBytes(path)))]);

    [Fact]
    public void Every_file_divides_into_parts_that_join_to_its_bytes()
    {
        foreach (var (name, bytes) in Corpus.Value)
        {
            var joined = Hl7Batch.Divide(bytes).SelectMany(part => bytes.AsSpan(part.Start, part.Length).ToArray()).ToArray();
            joined.ShouldBe(bytes, name);
        }
    }

    [Fact]
    public void Every_message_comes_back_byte_for_byte()
    {
        foreach (var (name, bytes) in Corpus.Value)
        {
            foreach (var part in Hl7Batch.Divide(bytes).Where(part => part.Kind == Hl7PartKind.Message))
            {
                using var message = new Hl7Message();
                if (message.Read(bytes.AsMemory(part.Start, part.Length)).Ok)
                {
                    var written = new Hl7Editor(message).ToArray();
                    bytes.AsSpan(part.Start + message.Skipped, part.Length - message.Skipped).StartsWith(written).ShouldBeTrue(name);
                    LosslessProof.Of(message).IsLossless.ShouldBeTrue(name);
                }
            }
        }
    }

    [Fact]
    public void More_than_99_5_percent_of_the_messages_are_accepted()
    {
        var refused = new List<string>();
        var total = 0;
        foreach (var (name, bytes) in Corpus.Value)
        {
            foreach (var part in Hl7Batch.Divide(bytes).Where(part => part.Kind == Hl7PartKind.Message))
            {
                total++;
                using var message = new Hl7Message();
                var result = message.Read(bytes.AsMemory(part.Start, part.Length));
                if (!result.Ok)
                {
                    refused.Add($"{name}: {result.Fault} at {result.Offset}");
                }
            }
        }

        total.ShouldBeGreaterThan(400);
        ((double)refused.Count / total).ShouldBeLessThan(0.005, string.Join('\n', refused));
    }

    [Fact]
    public void Each_value_written_back_changes_nothing_that_can_be_read()
    {
        foreach (var (name, bytes) in Corpus.Value.Where((_, i) => i % 7 == 0))
        {
            using var message = new Hl7Message();
            if (!message.Read(bytes).Ok)
            {
                continue;
            }

            foreach (var address in new[] { "PID-5.1", "PID-3[1].1", "MSH-10", "OBX-5" })
            {
                var before = message[address].GetString();
                if (!message.TryFind(address[..3], 1, out _) || before.Length == 0)
                {
                    continue;
                }

                using var edited = Hl7Message.Parse(new Hl7Editor(message).Set(address, before).ToArray());
                edited[address].GetString().ShouldBe(before, $"{name} {address}");
                edited.SegmentCount.ShouldBe(message.SegmentCount, name);
            }
        }
    }
}

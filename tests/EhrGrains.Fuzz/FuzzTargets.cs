using System.Buffers;
using System.Text;
using EhrGrains.Hl7v2.Acknowledgements;
using EhrGrains.Hl7v2.Batches;
using EhrGrains.Hl7v2.Editing;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Mllp;
using EhrGrains.Hl7v2.Tables;
using EhrGrains.Hl7v2.Types;

namespace EhrGrains.Fuzz;

/// <summary>What is fuzzed. A target takes any bytes and throws when a law does not hold; what is no message is no failure.</summary>
internal static class FuzzTargets
{
    private const int FrameBytesMax = 4096;

    internal static IReadOnlyDictionary<string, Action<byte[]>> All { get; } = new Dictionary<string, Action<byte[]>>
    {
        ["reader"] = Reader,
        ["mllp"] = Mllp,
        ["escape"] = Escape,
        ["charset"] = CharacterSet,
        ["editor"] = Editor,
        ["tables"] = Tables,
    };

    // Whatever is read can be taken apart and put together again; whatever is divided joins to itself.
    private static void Reader(byte[] input)
    {
        var joined = 0;
        foreach (var part in Hl7Batch.Divide(input))
        {
            Law(part.Start == joined && part.Length > 0, "parts have no gaps");
            joined += part.Length;
            Read(input.AsMemory(part.Start, part.Length));
        }

        Law(joined == input.Length, "parts make up the whole");
        Read(input);
    }

    private static void Read(ReadOnlyMemory<byte> bytes)
    {
        using var message = new Hl7Message();
        if (!message.Read(bytes).Ok)
        {
            return;
        }

        var proof = LosslessProof.Of(message);
        Law(proof.IsLossless, $"lossless: {proof.Fault} at {proof.At}");
        Law(bytes.Span[message.Skipped..].StartsWith(new Hl7Editor(message).ToArray()), "written as it was read");
        foreach (var warning in message.Warnings)
        {
            message.Locate(warning);
            Law(warning.Offset >= 0 && warning.Offset <= message.Text.Length, "a warning is inside the message");
        }

        var answer = Acknowledgement.Write(message, Acceptance.Accepted, "1", DateTimeOffset.UnixEpoch);
        using var acknowledgement = new Hl7Message();
        Law(acknowledgement.Read(answer).Ok && acknowledgement.SegmentCount >= 2, "an acknowledgement is a message");
        Law(!message["MSH-10"].IsEmpty || acknowledgement["MSA-1"].GetString() is "AR" or "CR", "no positive acknowledgement without MSH-10");
    }

    // A stream is read the same however it is cut; the first byte says how.
    private static void Mllp(byte[] input)
    {
        if (input.Length < 2)
        {
            return;
        }

        var stream = input.AsMemory(1);
        var whole = Frames(stream, stream.Length);
        Law(whole.SequenceEqual(Frames(stream, (input[0] % 17) + 1)), "cut differently, read the same");
    }

    private static List<string> Frames(ReadOnlyMemory<byte> stream, int step)
    {
        var reader = new MllpReader(FrameBytesMax);
        var frames = new List<string>();
        var kept = 0;
        for (var arrived = step; ; arrived += step)
        {
            arrived = Math.Min(arrived, stream.Length);
            MllpReadStatus status;
            do
            {
                var buffer = new ReadOnlySequence<byte>(stream[kept..arrived]);
                status = reader.Read(buffer, out var consumed, out var content);
                kept += (int)buffer.Slice(0, consumed).Length;
                if (status is MllpReadStatus.TooLarge or MllpReadStatus.NotMllp)
                {
                    frames.Add(status.ToString());
                    return frames;
                }

                if (status != MllpReadStatus.NeedMore)
                {
                    frames.Add($"{status}:{Convert.ToHexString(content.ToArray())}");
                }
            }
            while (status != MllpReadStatus.NeedMore);

            if (arrived == stream.Length)
            {
                return frames;
            }
        }
    }

    // A value of any bytes: its text, written and read again, is the same text.
    private static void Escape(byte[] input)
    {
        var value = input.Where(b => b is not ((byte)'\r' or (byte)'\n' or (byte)'|')).ToArray();
        Read((byte[])[.. "MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5\rNTE|1||"u8, .. value, (byte)'\r']);
    }

    // The first byte chooses what MSH-18 says the others are.
    private static void CharacterSet(byte[] input)
    {
        string[] names =
        [
            "", "ASCII", "8859/1", "8859/2", "8859/6", "8859/8", "8859/15", "UNICODE UTF-8", "GB 18030-2000", "BIG-5", "KS X 1001", "CNS 11643-1992",
            "JAS2020", "ISO IR87", "~ISO IR87", "~ISO IR159", "UNICODE UTF-16", "UNICODE UTF-32", "WINDOWS-1251", "none",
        ];
        if (input.Length > 0)
        {
            Read((byte[])[.. Encoding.ASCII.GetBytes($"MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5||||||{names[input[0] % names.Length]}\rPID|1||7||"), .. input[1..], .. "\rPV1|1|I\r"u8]);
        }
    }

    // Any text, set at any address that is there: it is read back, no other field changes, and no segment is added.
    private static void Editor(byte[] input)
    {
        var text = new string([.. Encoding.UTF8.GetString(input).Where(c => !char.IsSurrogate(c) && c != '\uFFFD')]);
        using var message = Hl7Message.Parse("MSH|^~\\&|A|B|C|D|2024||ADT^A01|1|P|2.5||||||UNICODE UTF-8\rPID|1||7^^^A~8||DOE^J\rNTE|1||x\r"u8.ToArray());
        string[] addresses = ["PID-3[2].1", "PID-5.2", "PID-5.1.3", "PID-9", "NTE-3", "MSH-3", "PID-3[4].2.2"];
        var address = addresses[input.Length % addresses.Length];
        using var edited = Hl7Message.Parse(new Hl7Editor(message).Set(address, text).ToArray());
        Law(edited[address].GetString() == text, "what was set is read");
        Law(edited.SegmentCount == 3 && edited["MSH-10"].GetString() == "1" && edited["PID-1"].GetString() == "1", "nothing else changed");
    }

    private static void Tables(byte[] input)
    {
        using var message = new Hl7Message();
        if (!message.Read(input).Ok)
        {
            return;
        }

        Hl7Conformance.Check(message);
        var grouped = Hl7Group.Of(message, out _) is { } root ? Count(root) : message.SegmentCount;
        Law(grouped == message.SegmentCount, "every segment is in one group");
        foreach (var segment in message.Segments)
        {
            for (var number = 1; number <= segment.FieldCount; number++)
            {
                var value = segment[number];
                if (Hl7Time.TryRead(value, out var time))
                {
                    time.ToInstant(TimeZoneInfo.Utc);
                    Law(time.ToString().Length > 0, "a time has a text");
                }

                Hl7TimeOfDay.TryRead(value, out _);
                value.TryReadNumber(out _);
                value.TryReadSequence(out _);
                new Sn(value).TryReadComparison(out _, out _);
                new Ed(value).TryDecode(out _);
                new Xtn(value).GetNumber();
            }
        }
    }

    private static int Count(Hl7Group group) => group.Segments.Count + group.Groups.Sum(Count);

    private static void Law(bool holds, string law)
    {
        if (!holds)
        {
            throw new InvalidOperationException($"Broken: {law}.");
        }
    }
}

using System.Text;
using System.Text.RegularExpressions;
using EhrGrains.Hl7v2.Acknowledgements;
using EhrGrains.Hl7v2.Batches;
using EhrGrains.Hl7v2.Editing;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Tables;
using EhrGrains.Hl7v2.Types;
using EhrGrains.Testing;

namespace EhrGrains.Hl7v2.Tests;

/// <summary>The examples of the library's README are the bodies of these tests, and are compared with it.</summary>
public sealed partial class ReadmeTests
{
    private static readonly byte[] Sample = Encoding.UTF8.GetBytes(
        "MSH|^~\\&|LAB|MERCY|APP|EHR|20240131120000||ORU^R01^ORU_R01|42|P|2.5.1\r"
        + "PID|1||7^^^MERCY&1.2.3&ISO^MR~8^^^STATE||O\\T\\NEIL^ANN||19700101|F\r"
        + "OBR|1|||718-7^Hgb^LN\rOBX|1|NM|718-7^Hgb^LN||13.20|g/dL|||||F|||202401311155-0500\r");

    [Fact]
    public void Reading()
    {
        var bytes = Sample;

        // README: read
        using var message = new Hl7Message();
        var result = message.Read(bytes);               // not copied: bytes stay as they are while the message is in use
        if (!result.Ok)
        {
            throw new FormatException($"{result.Fault} at byte {result.Offset}");
        }

        var family = message["PID-5.1"].GetString();    // "O&NEIL": escapes and character set decoded once
        var second = message["PID-3[2].1"].GetString(); // "8": the second repetition
        var authority = message["PID-3[1].4.2"].Raw;    // 1.2.3, a span of the message's own bytes
        foreach (var warning in message.Warnings)       // what was tolerated: a code and a place, never content
        {
            Console.WriteLine($"{warning.Code} at {message.Locate(warning)}");
        }
        // end

        (family, second, Wire.Text(authority)).ShouldBe(("O&NEIL", "8", "1.2.3"));
    }

    [Fact]
    public void Editing()
    {
        using var message = Hl7Message.Parse(Sample);

        // README: edit
        var edited = new Hl7Editor(message)
            .Set("PID-5.1", "O'NEIL|SMITH")             // written as O'NEIL\F\SMITH: a value cannot become a field
            .SetNull("PID-7")                           // "": the receiver is to delete it
            .ToArray();                                 // every other byte as it came
        // end

        Wire.Text(edited).ShouldContain("||O'NEIL\\F\\SMITH^ANN||\"\"|F\r");
    }

    [Fact]
    public void Typed_values()
    {
        using var message = Hl7Message.Parse(Sample);

        // README: types
        var id = new Cx(message["PID-3[1]"]);
        var type = id.IdentifierType.GetString();       // MR
        var by = id.AssigningAuthority.NamespaceId.GetString();                              // MERCY

        message["OBX-5"].TryReadNumber(out var number); // 13.20, with its two decimals
        Hl7Time.TryRead(message["OBX-14"], out var time);
        Console.WriteLine(time);                        // 2024-01-31T11:55-05:00: to the minute, as it was stated
        // end

        (type, by, number, time.ToString()).ShouldBe(("MR", "MERCY", 13.20m, "2024-01-31T11:55-05:00"));
    }

    [Fact]
    public void Groups()
    {
        using var message = Hl7Message.Parse(Sample);

        // README: groups
        var orders = Hl7Group.Of(message, out var unexpected)?.All("ORDER_OBSERVATION") ?? [];
        foreach (var order in orders)
        {
            foreach (var observation in order.All("OBSERVATION"))
            {
                var obx = message.Segment(observation.Segments[0]);
                Console.WriteLine(obx[3].Component(2).GetString());  // Hgb
            }
        }
        // end

        orders.ShouldHaveSingleItem().All("OBSERVATION").ShouldHaveSingleItem();
        unexpected.ShouldBeEmpty();
    }

    [Fact]
    public void Acknowledging()
    {
        using var message = Hl7Message.Parse(Sample);
        var now = new DateTimeOffset(2024, 1, 31, 12, 0, 1, TimeSpan.Zero);

        // README: acknowledge
        var outcome = Acceptance.Accepted;              // once it is on disk
        if (Acknowledgement.IsWanted(message, outcome)) // MSH-15 may say that it is not
        {
            var answer = Acknowledgement.Write(message, outcome, "A1", now);
            Console.WriteLine(Encoding.UTF8.GetString(answer));
        }
        // end

        Wire.Text(Acknowledgement.Write(message, outcome, "A1", now)).ShouldContain("\rMSA|AA|42\r");
    }

    [Fact]
    public void Files()
    {
        var file = Sample.Concat(Sample).ToArray();
        var ids = new List<string>();

        // README: files
        foreach (var part in Hl7Batch.Divide(file).Where(part => part.Kind == Hl7PartKind.Message))
        {
            using var message = Hl7Message.Parse(file.AsMemory(part.Start, part.Length));
            ids.Add(message["MSH-10"].GetString());
        }
        // end

        ids.ShouldBe(["42", "42"]);
    }

    [Fact]
    public void The_examples_of_the_README_are_the_code_above()
    {
        var root = SharedData.RepositoryRoot();
        var source = File.ReadAllText(Path.Combine(root, "tests", "EhrGrains.Hl7v2.Tests", "ReadmeTests.cs")).ReplaceLineEndings("\n");
        var readme = File.ReadAllText(Path.Combine(root, "src", "EhrGrains.Hl7v2", "README.md")).ReplaceLineEndings("\n");

        var compiled = Regions().Matches(source).Select(match => string.Join('\n', match.Groups[1].Value.Split('\n').Select(line => line.Length > 8 ? line[8..] : "")).Trim());
        var shown = Blocks().Matches(readme).Select(match => match.Groups[1].Value.Trim());

        shown.ShouldBe(compiled);
    }

    [GeneratedRegex(@"^ +// README: \w+\n(.*?)^ +// end$", RegexOptions.Singleline | RegexOptions.Multiline, matchTimeoutMilliseconds: 5_000)]
    private static partial Regex Regions();

    [GeneratedRegex(@"^```csharp\n(.*?)^```$", RegexOptions.Singleline | RegexOptions.Multiline, matchTimeoutMilliseconds: 5_000)]
    private static partial Regex Blocks();
}

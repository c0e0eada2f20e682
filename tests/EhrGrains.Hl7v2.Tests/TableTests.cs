using EhrGrains.Hl7v2.Tables;
using EhrGrains.Testing;

namespace EhrGrains.Hl7v2.Tests;

public sealed class TableTests
{
    [Fact]
    public void The_tables_are_what_the_published_facts_say()
    {
        ShouldMatch(TableSource.Fields(SharedData.Require("v2plus/segments.tsv")), "segments.txt");
        ShouldMatch(TableSource.Fields(SharedData.Require("v2plus/datatypes.tsv")), "datatypes.txt");
        ShouldMatch(TableSource.Structures(SharedData.Require("v2plus/structures.tsv")), "structures.txt");
    }

    [Fact]
    public void Well_known_rows_are_as_the_standard_prints_them()
    {
        Field("PID", 3).ShouldBe(new Hl7Field(3, "Patient Identifier List", "CX", Hl7Optionality.Required, int.MaxValue, null));
        Field("PID", 19).ShouldBe(new Hl7Field(19, "SSN Number - Patient", "ST", Hl7Optionality.Withdrawn, 1, null));
        (Field("MSH", 9).Type, Field("MSH", 9).Optionality, Field("MSH", 10).LengthMax).ShouldBe(("MSG", Hl7Optionality.Required, 199));
        (Field("OBX", 5).Type, Field("OBX", 11).Optionality, Field("OBX", 11).LengthMax).ShouldBe(("Varies", Hl7Optionality.Required, 1));
        (Field("PID", 7).TypeIn(Hl7Version.V25), Field("PID", 7).TypeIn(Hl7Version.V27), Field("PID", 5).TypeIn(Hl7Version.V22)).ShouldBe(("TS", "DTM", "PN"));
        Hl7Tables.Components("CX")[3].Type.ShouldBe("HD");
        Hl7Tables.Components("ST").ShouldBeEmpty();
        Hl7Tables.Fields("ZZZ").ShouldBeEmpty();
    }

    [Theory]
    [InlineData("ADT^A01^ADT_A01", "ADT_A01")]
    [InlineData("ADT^A08", "ADT_A01")]
    [InlineData("ADT^A40", "ADT_A39")]
    [InlineData("ORU^ORU_R01", "ORU_R01")]
    [InlineData("ORU^R01^wrong", "ORU_R01")]
    [InlineData("ORM^O01", "ORM_O01")]
    [InlineData("SIU^S14", "SIU_S12")]
    [InlineData("RDE^O01", "RDE_O11")]
    [InlineData("VXU^V04", "VXU_V04")]
    [InlineData("ACK", "ACK")]
    [InlineData("ACK^A01", "ACK")]
    [InlineData("ZZZ^Z01", null)]
    [InlineData("", null)]
    public void The_structure_is_found_of_what_the_sender_wrote(string type, string? structure)
    {
        using var message = Wire.Message($@"MSH|^~\&|A|B|C|D|2024||{type}|1|P|2.5", "PID|1");
        Hl7Tables.StructureOf(message).ShouldBe(structure);
    }

    [Fact]
    public void Every_group_and_segment_of_every_structure_has_a_name_and_structures_nest_to_their_ends()
    {
        foreach (var name in new[] { "ADT_A01", "ORU_R01", "ORM_O01", "SIU_S12", "MDM_T02", "VXU_V04", "RDE_O11", "DFT_P03", "ADT_A39", "ORF_R04" })
        {
            Walk(Hl7Tables.Structure(name).ShouldNotBeNull(name), name);
        }

        static void Walk(Hl7Structure node, string path)
        {
            node.Name.ShouldMatch("^[A-Z][A-Z0-9_-]+$", path);
            foreach (var child in node.Children)
            {
                (child.IsGroup || child.Name.Length == 3).ShouldBeTrue($"{path}/{child.Name}");
                Walk(child, $"{path}/{child.Name}");
            }
        }
    }

    private static Hl7Field Field(string segment, int number) => Hl7Tables.Fields(segment)[number - 1];

    private static void ShouldMatch(string made, string name)
    {
        var path = Path.Combine(SharedData.RepositoryRoot(), "src", "EhrGrains.Hl7v2", "Tables", name);
        if (Environment.GetEnvironmentVariable("EHRGRAINS_WRITE_GOLDEN") == "1")
        {
            File.WriteAllText(path, made);
        }

        made.Split('\n').ShouldBe(File.ReadAllLines(path).Append(""), $"If this is right, run the test with EHRGRAINS_WRITE_GOLDEN=1 and commit {path}.");
    }
}

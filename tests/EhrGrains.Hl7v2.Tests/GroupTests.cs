using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Tables;

namespace EhrGrains.Hl7v2.Tests;

public sealed class GroupTests
{
    [Fact]
    public void Orders_have_their_own_observations_and_notes()
    {
        using var message = Wire.Message(
            Wire.Header, "PID|1||7", "NTE|1||patient", "PV1|1|I", "ORC|RE", "OBR|1|||A", "NTE|1||order", "OBX|1|NM|x||1", "NTE|1||result", "OBX|2|NM|x||2",
            "OBR|2|||B", "OBX|1|NM|x||3", "SPM|1", "OBX|1|ST|x||4");

        Tree(message).ShouldBe(
            "ORU_R01(MSH PATIENT_RESULT(PATIENT(PID NTE VISIT(PV1)) "
            + "ORDER_OBSERVATION(OBR NTE COMMON_ORDER(ORC) OBSERVATION(OBX NTE) OBSERVATION(OBX)) "
            + "ORDER_OBSERVATION(OBR OBSERVATION(OBX) SPECIMEN(SPM SPECIMEN_OBSERVATION(OBX)))))");
        Hl7Group.Of(message, out _)!.All("OBSERVATION").Count().ShouldBe(3);
    }

    [Fact]
    public void A_merge_has_a_group_for_each_patient()
    {
        using var message = Wire.Message(@"MSH|^~\&|A|B|C|D|2024||ADT^A40|1|P|2.5", "EVN||2024", "PID|1||7", "MRG|8", "PID|2||9", "MRG|10", "PV1|1|I");
        Tree(message).ShouldBe("ADT_A39(MSH EVN PATIENT(PID MRG) PATIENT(PID MRG PV1))");
    }

    [Fact]
    public void What_has_no_place_stays_where_it_stood_and_is_named()
    {
        using var message = Wire.Message(Wire.Header, "EVN||2024", "PID|1||7", "ZPI|x", "PV1|1|I", "OBR|1|||A", "OBX|1|NM|x||1", "ZZ1|y", "TQ1|late");
        Tree(message).ShouldBe("ORU_R01(MSH EVN PATIENT_RESULT(PATIENT(PID ZPI VISIT(PV1)) ORDER_OBSERVATION(OBR OBSERVATION(OBX ZZ1 TQ1))))");
        Hl7Group.Of(message, out var unexpected);
        unexpected.ShouldBe([1, 3, 7, 8]);
    }

    [Fact]
    public void A_group_without_its_first_segment_is_begun_by_one_that_belongs_nowhere_else()
    {
        using var message = Wire.Message(@"MSH|^~\&|A|B|C|D|2024||SIU^S12|1|P|2.5", "SCH|1", "PID|1||7", "AIS|1", "NTE|1", "AIP|1");
        Tree(message).ShouldBe("SIU_S12(MSH SCH PATIENT(PID) RESOURCES(SERVICE(AIS NTE) PERSONNEL_RESOURCE(AIP)))");
    }

    [Fact]
    public void Strict_comparison_reports_everything_by_position_and_nothing_of_a_right_message()
    {
        using var right = Wire.Message(
            @"MSH|^~\&|LAB|A|APP|B|20240131120000||ORU^R01^ORU_R01|42|P|2.8", "PID|1||7^^^A^MR||DOE^J||19700101|M", "OBR|1|||A^a^L", "OBX|1|NM|x^y^L||1.5|||N|||F");
        Hl7Conformance.Check(right).ShouldBeEmpty();

        using var wrong = Wire.Message(
            @"MSH|^~\&|LAB|A|APP|B|20240131120000||ORU^R01^ORU_R01|42|P|2.8", "PV1|1|I", "PID|one||||DOE^J||19700231|M~F", "ZZ1|local", "OBX|1|NM|x^y^L||<1|||N|||FINAL");
        Hl7Conformance.Check(wrong).Select(fault => (fault.Code, wrong.Locate(fault)?.ToString())).ShouldBe(
        [
            (Hl7WarningCode.UnexpectedSegment, "PV1"), (Hl7WarningCode.MissingSegment, "PID"), (Hl7WarningCode.TooManyRepetitions, "PID-8"),
            (Hl7WarningCode.WrongType, "PID-1"), (Hl7WarningCode.MissingField, "PID-3"), (Hl7WarningCode.WrongType, "PID-7"),
            (Hl7WarningCode.WrongType, "OBX-5"), (Hl7WarningCode.TooLong, "OBX-11"),
        ],
            ignoreOrder: true);
    }

    private static string Tree(Hl7Message message) => Text(message, Hl7Group.Of(message, out _).ShouldNotBeNull());

    private static string Text(Hl7Message message, Hl7Group group) =>
        $"{group.Name}({string.Join(' ', group.Segments.Select(position => Wire.Text(message.Segment(position).Id)).Concat(group.Groups.Select(inner => Text(message, inner))))})";
}

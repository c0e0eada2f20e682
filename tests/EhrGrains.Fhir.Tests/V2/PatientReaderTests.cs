using System.Text;
using EhrGrains.Fhir.V2;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>Whom a message is about.</summary>
public sealed class PatientReaderTests
{
    [Fact]
    public void Identifiers_come_best_first_with_their_authorities()
    {
        var mentions = Read(
            SiteLayer.None, "ADT^A01", Mapped.Segment("PID", (2, "77"), (3, "999^^^USSSA^SS~123^^^HOSP&1.2.36.1&ISO^MR~5^^^LAB^PI"), (18, "A1^^^HOSP")),
            Mapped.Segment("PV1", (19, "V1^^^HOSP")));

        mentions.Event.ShouldBe(PatientEvent.Update);
        mentions.Patients.ShouldHaveSingleItem().Identifiers.Select(identifier => (identifier.Of, identifier.Value, identifier.Authority, identifier.System)).ShouldBe(
        [
            (IdentifierOf.Patient, "123", "HOSP", "urn:oid:1.2.36.1"),
            (IdentifierOf.Patient, "5", "LAB", null),
            (IdentifierOf.Patient, "77", "", null),
            (IdentifierOf.Patient, "999", "USSSA", null),
            (IdentifierOf.Account, "A1", "HOSP", null),
            (IdentifierOf.Visit, "V1", "HOSP", null),
        ]);
    }

    [Fact]
    public void The_site_says_which_system_an_authority_is()
    {
        var site = new SiteLayer { Authorities = new Dictionary<string, string> { ["HOSP"] = "urn:oid:9.9", ["1.2.3"] = "https://a.example/id" } };

        var mentions = Read(site, "ADT^A01", "PID|1||1^^^HOSP^MR~2^^^&1.2.3&ISO^PI");

        mentions.Patients[0].Identifiers.Select(identifier => identifier.System).ShouldBe(["urn:oid:9.9", "https://a.example/id"]);
    }

    [Fact]
    public void Each_patient_of_a_merge_has_the_identifiers_that_end()
    {
        var mentions = Read(SiteLayer.None, "ADT^A40^ADT_A39", "PID|1||1^^^H^MR", "MRG|11^^^H^MR||A11", "PID|2||2^^^H^MR", "MRG|22^^^H^MR");

        mentions.Event.ShouldBe(PatientEvent.MergePatients);
        mentions.Patients.Select(patient => (patient.Identifiers[0].Value, string.Join(',', patient.Prior.Select(prior => $"{prior.Of}:{prior.Value}"))))
            .ShouldBe([("1", "Patient:11,Account:A11"), ("2", "Patient:22")]);
    }

    [Theory]
    [InlineData("ADT^A18", PatientEvent.MergePatients)]
    [InlineData("ADT^A24", PatientEvent.Link)]
    [InlineData("ADT^A29", PatientEvent.Delete)]
    [InlineData("ADT^A37", PatientEvent.Unlink)]
    [InlineData("ADT^A42", PatientEvent.MergeVisits)]
    [InlineData("ADT^A45", PatientEvent.MoveVisits)]
    [InlineData("ADT^A47", PatientEvent.ChangeIdentifiers)]
    [InlineData("ADT^A50", PatientEvent.ChangeVisit)]
    [InlineData("ORU^R01", PatientEvent.Update)]
    public void The_event_says_what_becomes_of_the_records(string type, PatientEvent expected) =>
        Read(SiteLayer.None, type, "PID|1||1").Event.ShouldBe(expected);

    [Fact]
    public void Nobody_is_nobody()
    {
        Read(SiteLayer.None, "ADT^A01", "EVN||2024").Patients.ShouldBeEmpty();
        Read(SiteLayer.None, "ADT^A01", "PID|1||^^^HOSP^MR~\"\"").Patients.ShouldHaveSingleItem().Identifiers.ShouldBeEmpty();
    }

    private static PatientMentions Read(SiteLayer site, string type, params string[] segments)
    {
        var text = string.Join('\r', segments.Prepend($@"MSH|^~\&|A|B|C|D|20240131||{type}|1|P|2.5.1"));
        using var message = Hl7Message.Parse(Encoding.UTF8.GetBytes(text));
        return V2Mapping.Compile(site).ReadPatients(message);
    }
}

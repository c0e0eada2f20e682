namespace EhrGrains.Fhir.Tests.V2;

/// <summary>Why there is no rule for a row of the guide.</summary>
internal static class GuideReasons
{
    internal const string Discretion = "the guide leaves it to the site";
    internal const string NotInR4 = "R4 has no such element";
    internal const string Ignored = "passed over by a named rule";

    private static readonly (string Map, string Part, string Reason)[] Named =
    [
        ("AIS[ServiceRequest]", "AIS-3", "a service that is asked for is ServiceRequest.code"),
        ("CX[RelatedPerson-Mother]", "*", "in the map of PID-21"),
        ("DLN[Identifier]", "DLN.2", "the name of a state is no URI: the assigner has it"),
        ("DTM[*", "*", "a time is converted as the type of its element wants it"),
        ("ED[DocumentReference]", "*", "an observation keeps its file itself"),
        ("EI[Coding]", "*", "no element of the guide's own segments uses it"),
        ("EI[Device-udiCarrier]", "*", "a device identifier: the segment does not say that it is a UDI"),
        ("EVN[Provenance]", "EVN", "the type of the message says it"),
        ("FT[*", "*", "a text is converted as the type of its element wants it"),
        ("IN3[CareTeam]", "*", "the contact of an insurer is a contact of its Organization"),
        ("MSA[MessageHeader]", "*", "an acknowledgement is transport: answered, not mapped"),
        ("MSG[*", "*", "in the map of MSH-9"),
        ("MSH[Provenance-Transformation]", "*", "the message itself is in the journal"),
        ("NA[SampledData]", "*", "an OBX does not say the period of the samples, which SampledData requires: an exception"),
        ("NDL[PractitionerRole]", "*", "the place of a role is one Location"),
        ("NTE[Appointment-Comment]", "NTE-9", "no element of an Annotation"),
        ("NTE[DocumentReference]", "NTE-9", "no element of an Attachment"),
        ("OG[Extension-Subidentifier]", "*", "in the map of OBX-4"),
        ("ORC[DiagnosticReport]", "ORC-2", "the report is based on the ServiceRequest that ORC makes"),
        ("ORC[Provenance]", "ORC-21", "the Location that ORC-21 to ORC-23 make"),
        ("PID[Appointment]", "*", "the Appointment refers to the Patient that PID makes"),
        ("PID[Provenance-Patient]", "PID", "the time of the message"),
        ("PR1[Procedure]", "PR1-5", "PR1-7 says for how many minutes, not until when"),
        ("PRT[CareTeam]", "*", "a participation is a PractitionerRole, not a team"),
        ("PRT[RelatedPerson]", "*", "a participation is a PractitionerRole"),
        ("PT[Meta]", "*", "in the map of MSH-11"),
        ("PV1[Basic-EncounterHistory]", "*", "R4 has the history of an Encounter in Encounter.location and its versions"),
        ("RI[Timing]", "*", "within TQ: the types RI.1 and RI.2"),
        ("ROL[CareTeam]", "*", "a role is a PractitionerRole, not a team"),
        ("ROL[Encounter-PractitionerRole]", "ROL-1", "the Encounter refers to the PractitionerRole that ROL makes"),
        ("ROL[RelatedPerson]", "*", "a role is a PractitionerRole"),
        ("RXO[MedicationRequest]", "RXO-5", "R4 calls it Medication.form"),
        ("SCH[Appointment]", "SCH-26", "the Appointment is based on the ServiceRequest that SCH-26 and SCH-27 make"),
        ("SCH[Appointment]", "SCH-27", "the Appointment is based on the ServiceRequest that SCH-26 and SCH-27 make"),
        ("SCH[Provenance]", "*", "who entered the appointment takes part in it"),
        ("SN[*", "*", "in the map of OBX-5"),
        ("ST[*", "*", "a text is converted as the type of its element wants it"),
        ("TS[*", "*", "a time is converted as the type of its element wants it"),
        ("TXA[Provenance]", "*", "the document has its authors and dates itself"),
        ("XCN[Practitioner]", "XCN.7", "with the name, as it is spoken"),
    ];

    /// <summary>The reason that is named for a row; null when none is.</summary>
    internal static string? For(GuideRow row)
    {
        foreach (var (map, part, reason) in Named)
        {
            if ((map == "*" || map == row.Map || (map.EndsWith('*') && row.Map.StartsWith(map[..^1], StringComparison.Ordinal)))
                && (part == "*" || part == row.Part))
            {
                return reason;
            }
        }

        return null;
    }
}

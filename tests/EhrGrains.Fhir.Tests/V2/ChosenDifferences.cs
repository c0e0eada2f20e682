namespace EhrGrains.Fhir.Tests.V2;

/// <summary>Where our bundles differ from those that are expected, because the guide or R4 says otherwise.</summary>
internal static class ChosenDifferences
{
    /// <summary>An element, what the other project makes of it, what we make, and who says so.</summary>
    internal sealed record Difference(string Path, string Theirs, string Ours, string Why);

    internal static IReadOnlyList<Difference> All { get; } =
    [
        new("Organization.identifier.system", "an address at example.com, made of the name of the authority", "a system only for what is a URI, or what the site says", "R4 Identifier.system: a namespace that is known; a local name is none"),
        new("Location.description", "all components of the place, joined", "PL.9 as sent", "guide PL[Location]"),
        new("Location.identifier.value", "a name alone", "the name, and each part as an identifier", "guide PL[Location]: HD[Identifier]"),
        new("PractitionerRole.code.coding.code", "RO for who observed", "responsibleObserver", "guide OBX[Observation] OBX-16"),
        new("DiagnosticReport.presentedForm.contentType", "a report for each OBX that holds a file or a link", "an Observation with the file as its value", "guide OBX[Observation] OBX-5, ED and RP"),
        new("ServiceRequest.requisition.value", "the group number as one more identifier", "the requisition", "guide ORC[ServiceRequest] ORC-4"),
        new("ServiceRequest.extension.url", "the order control only as a status", "the order control as sent as well", "guide ORC[ServiceRequest] ORC-1, ORC-9"),
        new("Appointment.appointmentType.coding.code", "the reason of SCH-7 as the type", "SCH-7 as the reason, SCH-8 as the type", "guide SCH[Appointment]"),
        new("Appointment.serviceType.coding.code", "the service only as an order", "the service of the appointment", "guide AIS[Appointment] AIS-3"),
        new("DocumentReference.docStatus", "an authenticated document is preliminary", "it is final", "table 0271: AU is authenticated"),
        new("Observation.component.valueQuantity.system", "ISO 3986 for the units of ISO+", "the name as sent", "RFC 3986 is the syntax of URIs, not a system of units"),
        new("Observation.extension.url", "OBX-4 is left out", "OBX-4 as the sub-identifier", "guide OG[Extension-Subidentifier]"),
        new("MedicationRequest.dosageInstruction.route.coding.code", "the route as sent", "FHIR's own code of it", "guide RouteOfAdministration"),
        new("MedicationRequest.dosageInstruction.timing.code.coding.display", "table 0335 for TID", "FHIR's own code of it", "guide RepeatPattern"),
        new("Immunization.site.coding.system", "no system where the message names none", "table 0163", "guide RXR[Immunization] RXR-2"),
        new("Provenance.agent.type.coding.code", "one Provenance of the message", "one of its origin and one of its transformation", "guide MSH[Provenance-Transformation]"),
        new("Patient.identifier.extension.url", "check digits are left out", "they are kept", "guide CX[Identifier] CX.2, CX.3"),
        new("Procedure.performer.function.coding.code", "words of its own for surgeon and anaesthetist", "SNOMED CT", "guide PR1[Procedure] PR1-8, PR1-11"),
        new("Organization.identifier.value", "an authority that has only a local name is no organization", "it is one, so that the number says whose it is", "guide CX[Identifier] CX.4, XCN[Practitioner] XCN.9, XON[Organization] XON.6: assigner"),
        new("Practitioner.qualification.code.coding.code", "the degree as a suffix of the name", "the degree as a qualification", "guide XCN[Practitioner] XCN.7"),
        new("Patient.name.family.extension.valueString", "the parts of a family name are left out", "own and partner's name and prefix are kept", "guide FN[HumanName]"),
        new("Patient.telecom.extension.valueString", "the parts of a number are left out", "country, area, local number and extension are kept", "guide XTN[ContactPoint] XTN.5 to XTN.8"),
        new("Encounter.hospitalization.specialCourtesy.coding.code", "PV1-16 only of the patient", "of the visit as well", "guide PV1[Encounter] PV1-16"),
        new("Encounter.location.status", "no status of a pending and of a temporary place", "reserved, active", "guide PV1[Encounter] PV1-42, PV1-11"),
        new("Encounter.length.unit", "d", "days, of which d is the code", "guide NM[Quantity-LengthOfStay]"),
        new("Location.type.coding.code", "the kind of place after the discharge as an identifier", "as the type", "guide DLD[Location-Discharge] DLD.1"),
        new("Patient.extension.extension.valueString", "races joined by a plus sign", "races joined by a comma", "US Core race: a text for people"),
        new("Patient.extension.valueCodeableConcept.coding.code", "a religion that it chose for AME", "the code as sent", "guide Religion: no code for AME"),
        new("AllergyIntolerance.onsetDateTime", "AL1-6 as the onset of the reaction", "as the onset of the allergy", "guide AL1[AllergyIntolerance] AL1-6"),
        new("Condition.recordedDate", "DG1-19 only as an extension", "as the recorded date as well", "guide DG1[Condition] DG1-19"),
        new("Device.identifier.value", "no device for a receiving application", "one, to which the message is sent", "guide MSH[MessageHeader] MSH-5"),
        new("MessageHeader.source.name", "MSH-24 as the name", "MSH-3 as the name, MSH-24 as the endpoint", "guide HD[MessageHeader.source-name]"),
        new("PractitionerRole.code.coding.system", "table 0443 for those who observe and direct", "the code systems that have these roles", "guide OBX[Observation] OBX-16, OBX-25"),
        new("Encounter.participant.type.coding.code", "the role of ROL-3 only of the practitioner", "of the visit's participant as well, in R4's own codes", "guide ROL[Encounter-PractitionerRole] ROL-3, ProviderRole"),
    ];
}

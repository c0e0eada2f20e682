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
    ];
}

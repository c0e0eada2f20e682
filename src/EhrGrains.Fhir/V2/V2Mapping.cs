using EhrGrains.Contracts;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Fhir.V2;

/// <summary>
/// HL7 v2 to FHIR R4: the shared rules and one site's layer over them, compiled. Follows the HL7 guide "HL7 Version 2 to FHIR"; see
/// docs/reference/v2-to-fhir.md. Immutable, safe for use by several threads.
/// </summary>
public sealed class V2Mapping
{
    private readonly SiteLayer site;

    private V2Mapping(SiteLayer site) => this.site = site;

    /// <summary>Compiles the shared rules with a site's layer.</summary>
    /// <exception cref="ProblemException">The site layer is wrong: every fault, by line.</exception>
    public static V2Mapping Compile(SiteLayer site) => new(site);

    /// <summary>Whom the message is about. Reads PID, PV1 and MRG only.</summary>
    public PatientMentions ReadPatients(Hl7Message message) => PatientReader.Read(message, site);

    /// <summary>Maps a message that has been read. Never throws for what the message holds.</summary>
    /// <exception cref="ArgumentException"><paramref name="context"/> does not name a patient for every mention.</exception>
    public MappedMessage Map(Hl7Message message, MappingContext context) => throw new NotSupportedException();
}

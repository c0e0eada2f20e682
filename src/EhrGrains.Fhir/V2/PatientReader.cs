using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Types;

namespace EhrGrains.Fhir.V2;

/// <summary>Reads whom a message is about, by position: every PID with the MRG and PV1 segments up to the next.</summary>
internal static class PatientReader
{
    private const int IdentifiersMax = 100;

    internal static int Count(Hl7Message message)
    {
        var count = 0;
        foreach (var segment in message.Segments)
        {
            count += segment.Is("PID") ? 1 : 0;
        }

        return count;
    }

    internal static PatientMentions Read(Hl7Message message, SiteLayer site)
    {
        var patients = new List<(List<MentionedIdentifier> Own, List<MentionedIdentifier> Prior)>();
        foreach (var segment in message.Segments)
        {
            if (segment.Is("PID"))
            {
                patients.Add(([], []));
                var own = patients[^1].Own;
                Take(segment[3], IdentifierOf.Patient, own, site);
                Take(segment[2], IdentifierOf.Patient, own, site);
                Take(segment[4], IdentifierOf.Patient, own, site);
                patients[^1] = (own = [.. own.OrderBy(Rank)], patients[^1].Prior);
                Take(segment[18], IdentifierOf.Account, own, site);
            }
            else if (patients.Count > 0 && segment.Is("PV1"))
            {
                Take(segment[19], IdentifierOf.Visit, patients[^1].Own, site);
                Take(segment[50], IdentifierOf.Visit, patients[^1].Own, site);
            }
            else if (patients.Count > 0 && segment.Is("MRG"))
            {
                var prior = patients[^1].Prior;
                Take(segment[1], IdentifierOf.Patient, prior, site);
                Take(segment[4], IdentifierOf.Patient, prior, site);
                Take(segment[2], IdentifierOf.Patient, prior, site);
                Take(segment[3], IdentifierOf.Account, prior, site);
                Take(segment[5], IdentifierOf.Visit, prior, site);
                Take(segment[6], IdentifierOf.Visit, prior, site);
            }
        }

        return new PatientMentions(EventOf(message), [.. patients.Select(patient => new PatientMention(patient.Own, patient.Prior))]);
    }

    // The medical record number is what a hospital knows a patient by; numbers that others assigned come after. Equals stay in the
    // order of the message: OrderBy is stable.
    private static int Rank(MentionedIdentifier identifier) => identifier.Type switch
    {
        "MR" => 0,
        "PI" or "PT" => 1,
        "EPI" or "MRT" or "U" or "" => 2,
        "SS" or "DL" or "PPN" => 4,
        _ => 3,
    };

    private static void Take(Hl7Value field, IdentifierOf of, List<MentionedIdentifier> into, SiteLayer site)
    {
        foreach (var repetition in field.Repetitions)
        {
            var cx = new Cx(repetition);
            if (cx.Id.HasValue && into.Count < IdentifiersMax)
            {
                var authority = Authority(cx.AssigningAuthority);
                var by = authority.Length > 0 ? cx.AssigningAuthority : cx.AssigningFacility;
                into.Add(new MentionedIdentifier(
                    of, Authorities.SystemOf(by, site), authority, cx.Id.GetString().Trim(), cx.IdentifierType.GetString().Trim()));
            }
        }
    }

    private static string Authority(Hd hd) =>
        hd.NamespaceId.HasValue ? hd.NamespaceId.GetString().Trim() : hd.UniversalId.HasValue ? hd.UniversalId.GetString().Trim() : "";

    private static PatientEvent EventOf(Hl7Message message) => message["MSH-9.1"].Is("ADT") ? TriggerOf(message) switch
    {
        "A18" or "A34" or "A36" or "A39" or "A40" => PatientEvent.MergePatients,
        "A35" or "A41" => PatientEvent.MergeAccounts,
        "A42" => PatientEvent.MergeVisits,
        "A43" => PatientEvent.MoveIdentifiers,
        "A44" => PatientEvent.MoveAccount,
        "A45" => PatientEvent.MoveVisits,
        "A46" or "A47" or "A48" => PatientEvent.ChangeIdentifiers,
        "A49" => PatientEvent.ChangeAccount,
        "A50" or "A51" => PatientEvent.ChangeVisit,
        "A17" => PatientEvent.SwapPatients,
        "A24" => PatientEvent.Link,
        "A37" => PatientEvent.Unlink,
        "A29" => PatientEvent.Delete,
        _ => PatientEvent.Update,
    }
    : PatientEvent.Update;

    private static string TriggerOf(Hl7Message message) =>
        message["MSH-9.2"].HasValue ? message["MSH-9.2"].GetString() : message["EVN-1"].GetString();
}

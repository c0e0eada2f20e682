namespace EhrGrains.Fhir.V2;

/// <summary>Whom a message is about, read before it is mapped: the caller decides which records these are.</summary>
/// <param name="Event">What the message does to them as a whole.</param>
/// <param name="Patients">One per PID segment, in order; a QRD, a merge or a broken message may have none.</param>
public sealed record PatientMentions(PatientEvent Event, IReadOnlyList<PatientMention> Patients);

/// <summary>One PID with its MRG and visits.</summary>
/// <param name="Identifiers">What identifies the patient, the account (PID-18) and the visit (PV1-19), best first.</param>
/// <param name="Prior">What the MRG segment names: the identifiers that end, move or change.</param>
public sealed record PatientMention(IReadOnlyList<MentionedIdentifier> Identifiers, IReadOnlyList<MentionedIdentifier> Prior);

/// <summary>An identifier in a PID, PV1 or MRG segment.</summary>
/// <param name="Of">What it identifies.</param>
/// <param name="System">The identifier system: by the site's authorities, or a universal id as a URI; null when the message names none.</param>
/// <param name="Authority">The assigning authority as the message names it, HD.1 or else HD.2; empty: the namespace of the sender.</param>
/// <param name="Value">The identifier.</param>
/// <param name="Type">Table 0203, for example MR; empty when not stated.</param>
public sealed record MentionedIdentifier(IdentifierOf Of, string? System, string Authority, string Value, string Type);

/// <summary>What an identifier identifies.</summary>
public enum IdentifierOf
{
    /// <summary>A patient: PID-3, PID-2, PID-4; MRG-1, MRG-2, MRG-4.</summary>
    Patient,

    /// <summary>A patient account: PID-18; MRG-3.</summary>
    Account,

    /// <summary>A visit: PV1-19, PV1-50; MRG-5, MRG-6.</summary>
    Visit,
}

/// <summary>What a message does to patients (HL7 v2.5.1 §3.6.2: merge, link, move, change).</summary>
public enum PatientEvent
{
    /// <summary>Says something about them.</summary>
    Update,

    /// <summary>A18, A34, A36, A39, A40: the prior patient is the same person as this one, whose identifiers survive.</summary>
    MergePatients,

    /// <summary>A35, A41: the prior account becomes part of this one.</summary>
    MergeAccounts,

    /// <summary>A42: the prior visit becomes part of this one.</summary>
    MergeVisits,

    /// <summary>A43: an identifier moves from the prior patient to this one.</summary>
    MoveIdentifiers,

    /// <summary>A44: an account moves from the prior patient to this one.</summary>
    MoveAccount,

    /// <summary>A45: visits move from the prior account to this one.</summary>
    MoveVisits,

    /// <summary>A46, A47, A48: the patient's identifier changes.</summary>
    ChangeIdentifiers,

    /// <summary>A49: the account number changes.</summary>
    ChangeAccount,

    /// <summary>A50, A51: the visit number changes.</summary>
    ChangeVisit,

    /// <summary>A17: two patients exchange beds.</summary>
    SwapPatients,

    /// <summary>A24: two records are of one person.</summary>
    Link,

    /// <summary>A37: two records are not of one person.</summary>
    Unlink,

    /// <summary>A29: the person's information is to be deleted.</summary>
    Delete,
}

namespace EhrGrains.Hl7v2.Tables;

/// <summary>Whether a field has to have a value.</summary>
public enum Hl7Optionality
{
    /// <summary>It may.</summary>
    Optional,

    /// <summary>It must (R).</summary>
    Required,

    /// <summary>It must when other fields say so (C).</summary>
    Conditional,

    /// <summary>It is kept for older receivers (B).</summary>
    Backward,

    /// <summary>It was withdrawn in a newer version (W).</summary>
    Withdrawn,
}

/// <summary>
/// A field of a segment, or a component of a data type, as HL7 v2.9 has it; for what a newer version withdrew, as it was before.
/// </summary>
/// <param name="Number">Its number, from 1.</param>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its data type; <c>Varies</c> where another field says (OBX-5). Empty when not known.</param>
/// <param name="Optionality">Whether it has to have a value.</param>
/// <param name="RepetitionsMax">The most repetitions; <see cref="int.MaxValue"/> for any number.</param>
/// <param name="LengthMax">The longest text in characters, as 2.7 and later limit it; null when there is no limit.</param>
public sealed record Hl7Field(int Number, string Name, string Type, Hl7Optionality Optionality, int RepetitionsMax, int? LengthMax)
{
    /// <summary>
    /// The data type that it had in a version: names became XPN in 2.3, times DTM and codes CWE in 2.6, what had been PN, TS and CE
    /// before (HL7 v2.9 chapter 2.A, history of the types).
    /// </summary>
    public string TypeIn(Hl7Version version) => Type switch
    {
        "DTM" when version < Hl7Version.V26 => "TS",
        "CWE" or "CNE" when version < Hl7Version.V26 => "CE",
        "XPN" when version < Hl7Version.V23 => "PN",
        "XCN" when version < Hl7Version.V23 => "CN",
        "XAD" when version < Hl7Version.V23 => "AD",
        "XTN" when version < Hl7Version.V23 => "TN",
        "CX" when version < Hl7Version.V23 => "CK",
        "EI" or "HD" or "XON" when version < Hl7Version.V23 => "ST",
        "PL" when version < Hl7Version.V23 => "CM",
        _ => Type,
    };
}

/// <summary>The versions of the standard, in order.</summary>
public enum Hl7Version
{
    /// <summary>Not one of these.</summary>
    Unknown,

    /// <summary>2.1.</summary>
    V21,

    /// <summary>2.2.</summary>
    V22,

    /// <summary>2.3.</summary>
    V23,

    /// <summary>2.3.1.</summary>
    V231,

    /// <summary>2.4.</summary>
    V24,

    /// <summary>2.5.</summary>
    V25,

    /// <summary>2.5.1.</summary>
    V251,

    /// <summary>2.6.</summary>
    V26,

    /// <summary>2.7.</summary>
    V27,

    /// <summary>2.7.1.</summary>
    V271,

    /// <summary>2.8.</summary>
    V28,

    /// <summary>2.8.1.</summary>
    V281,

    /// <summary>2.8.2.</summary>
    V282,

    /// <summary>2.9.</summary>
    V29,

    /// <summary>2.9.1.</summary>
    V291,
}

/// <summary>A segment or a group of segments in a message structure.</summary>
/// <param name="Name">The segment's id, or the group's name.</param>
/// <param name="IsRequired">Whether it has to be there.</param>
/// <param name="Repeats">Whether it may be there more than once.</param>
/// <param name="Children">What the group consists of, in order; empty for a segment.</param>
public sealed record Hl7Structure(string Name, bool IsRequired, bool Repeats, IReadOnlyList<Hl7Structure> Children)
{
    /// <summary>Whether it is a group.</summary>
    public bool IsGroup => Children.Count > 0;
}

using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Types;

/// <summary>HD: who assigns names, by a local name, a universal id, or both (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field, repetition or component.</param>
/// <param name="isNested">True when it is a component of another type, so that its own parts are subcomponents.</param>
public readonly ref struct Hd(Hl7Value value, bool isNested = false)
{
    private readonly Composite parts = new(value, isNested);

    /// <summary>HD.1: a local name.</summary>
    public Hl7Value NamespaceId => parts[1];

    /// <summary>HD.2: an id that is unique in the world.</summary>
    public Hl7Value UniversalId => parts[2];

    /// <summary>HD.3: what kind of id that is: ISO, DNS, UUID, ….</summary>
    public Hl7Value UniversalIdType => parts[3];
}

/// <summary>EI: the id of a thing, within who assigns it (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field, repetition or component.</param>
/// <param name="isNested">True when it is a component of another type, so that its own parts are subcomponents.</param>
public readonly ref struct Ei(Hl7Value value, bool isNested = false)
{
    private readonly Composite parts = new(value, isNested);

    /// <summary>EI.1: the id.</summary>
    public Hl7Value EntityIdentifier => parts[1];

    /// <summary>EI.2: a local name of who assigns it.</summary>
    public Hl7Value NamespaceId => parts[2];

    /// <summary>EI.3: a universal id of who assigns it.</summary>
    public Hl7Value UniversalId => parts[3];

    /// <summary>EI.4: what kind of id that is.</summary>
    public Hl7Value UniversalIdType => parts[4];
}

/// <summary>CX: an identifier of a person or account, with its check digit and who assigned it. CK of 2.1 and 2.2 has the same first parts (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field or repetition.</param>
public readonly ref struct Cx(Hl7Value value)
{
    private readonly Composite parts = new(value, isNested: false);

    /// <summary>CX.1: the identifier.</summary>
    public Hl7Value Id => parts[1];

    /// <summary>CX.2: its check digit.</summary>
    public Hl7Value CheckDigit => parts[2];

    /// <summary>CX.3: how that is computed: ISO, M10, M11, NPI.</summary>
    public Hl7Value CheckDigitScheme => parts[3];

    /// <summary>CX.4: who assigned it.</summary>
    public Hd AssigningAuthority => new(parts[4], isNested: true);

    /// <summary>CX.5: of what kind it is (table 0203), for example MR.</summary>
    public Hl7Value IdentifierType => parts[5];

    /// <summary>CX.6: where it was assigned.</summary>
    public Hd AssigningFacility => new(parts[6], isNested: true);

    /// <summary>CX.7: valid from.</summary>
    public Hl7Value EffectiveDate => parts[7];

    /// <summary>CX.8: valid to.</summary>
    public Hl7Value ExpirationDate => parts[8];

    /// <summary>CX.9: the state or county that assigned it.</summary>
    public Cwe AssigningJurisdiction => new(parts[9], isNested: true);

    /// <summary>CX.10: the agency that assigned it.</summary>
    public Cwe AssigningAgency => new(parts[10], isNested: true);
}

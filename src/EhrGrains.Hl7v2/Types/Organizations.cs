using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Types;

/// <summary>XON: an organization's name and identifier (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field or repetition.</param>
public readonly ref struct Xon(Hl7Value value)
{
    private readonly Composite parts = new(value, isNested: false);

    /// <summary>XON.1: the name.</summary>
    public Hl7Value Name => parts[1];

    /// <summary>XON.2: of what kind it is (table 0204).</summary>
    public Hl7Value NameType => parts[2];

    /// <summary>XON.3: the identifier as it was written before 2.7.</summary>
    public Hl7Value NumericId => parts[3];

    /// <summary>XON.4: its check digit.</summary>
    public Hl7Value CheckDigit => parts[4];

    /// <summary>XON.5: how that is computed.</summary>
    public Hl7Value CheckDigitScheme => parts[5];

    /// <summary>XON.6: who assigned the identifier.</summary>
    public Hd AssigningAuthority => new(parts[6], isNested: true);

    /// <summary>XON.7: of what kind it is (table 0203).</summary>
    public Hl7Value IdentifierType => parts[7];

    /// <summary>XON.8: where it was assigned.</summary>
    public Hd AssigningFacility => new(parts[8], isNested: true);

    /// <summary>XON.9: A alphabetic, I ideographic, P phonetic.</summary>
    public Hl7Value Representation => parts[9];

    /// <summary>XON.10: the identifier as it is written since 2.5.</summary>
    public Hl7Value OrganizationId => parts[10];
}

/// <summary>PL: where a patient is, from the point of care down to the bed (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field or repetition.</param>
public readonly ref struct Pl(Hl7Value value)
{
    private readonly Composite parts = new(value, isNested: false);

    /// <summary>PL.1: the ward or clinic.</summary>
    public Hd PointOfCare => new(parts[1], isNested: true);

    /// <summary>PL.2: the room.</summary>
    public Hd Room => new(parts[2], isNested: true);

    /// <summary>PL.3: the bed.</summary>
    public Hd Bed => new(parts[3], isNested: true);

    /// <summary>PL.4: the facility.</summary>
    public Hd Facility => new(parts[4], isNested: true);

    /// <summary>PL.5: the state of the bed (table 0306).</summary>
    public Hl7Value Status => parts[5];

    /// <summary>PL.6: of what kind the place is (table 0305).</summary>
    public Hl7Value LocationType => parts[6];

    /// <summary>PL.7: the building.</summary>
    public Hd Building => new(parts[7], isNested: true);

    /// <summary>PL.8: the floor.</summary>
    public Hd Floor => new(parts[8], isNested: true);

    /// <summary>PL.9: the place in words.</summary>
    public Hl7Value Description => parts[9];

    /// <summary>PL.10: one id for all of it.</summary>
    public Ei ComprehensiveId => new(parts[10], isNested: true);

    /// <summary>PL.11: who assigned that.</summary>
    public Hd AssigningAuthority => new(parts[11], isNested: true);
}

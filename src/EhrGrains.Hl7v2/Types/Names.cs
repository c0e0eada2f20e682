using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Types;

/// <summary>FN: a family name with its parts. Senders before 2.5 write it as one (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field, repetition or component.</param>
/// <param name="isNested">True when it is a component of another type, so that its own parts are subcomponents.</param>
public readonly ref struct Fn(Hl7Value value, bool isNested = false)
{
    private readonly Composite parts = new(value, isNested);

    /// <summary>FN.1: the whole family name.</summary>
    public Hl7Value Surname => parts[1];

    /// <summary>FN.2: prefix of the own family name, for example van.</summary>
    public Hl7Value OwnPrefix => parts[2];

    /// <summary>FN.3: the own family name.</summary>
    public Hl7Value OwnSurname => parts[3];

    /// <summary>FN.4: prefix of the partner's.</summary>
    public Hl7Value PartnerPrefix => parts[4];

    /// <summary>FN.5: the partner's family name.</summary>
    public Hl7Value PartnerSurname => parts[5];
}

/// <summary>XPN: a person's name. PN of 2.1 to 2.4 has the same first parts (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field or repetition.</param>
public readonly ref struct Xpn(Hl7Value value)
{
    private readonly Composite parts = new(value, isNested: false);

    /// <summary>XPN.1: the family name.</summary>
    public Fn FamilyName => new(parts[1], isNested: true);

    /// <summary>XPN.2: the first given name.</summary>
    public Hl7Value GivenName => parts[2];

    /// <summary>XPN.3: all other given names or their initials.</summary>
    public Hl7Value FurtherGivenNames => parts[3];

    /// <summary>XPN.4: for example JR.</summary>
    public Hl7Value Suffix => parts[4];

    /// <summary>XPN.5: for example DR.</summary>
    public Hl7Value Prefix => parts[5];

    /// <summary>XPN.6: for example MD; withdrawn in 2.7.</summary>
    public Hl7Value Degree => parts[6];

    /// <summary>XPN.7: of what kind it is (table 0200): L legal, A alias, ….</summary>
    public Hl7Value NameType => parts[7];

    /// <summary>XPN.8: A alphabetic, I ideographic, P phonetic.</summary>
    public Hl7Value Representation => parts[8];

    /// <summary>XPN.9: in which it is used.</summary>
    public Cwe Context => new(parts[9], isNested: true);

    /// <summary>XPN.10: from and to; withdrawn in 2.7.</summary>
    public Dr ValidityRange => new(parts[10], isNested: true);

    /// <summary>XPN.11: G given name first, F family name first.</summary>
    public Hl7Value AssemblyOrder => parts[11];

    /// <summary>XPN.12: valid from.</summary>
    public Hl7Value EffectiveDate => parts[12];

    /// <summary>XPN.13: valid to.</summary>
    public Hl7Value ExpirationDate => parts[13];

    /// <summary>XPN.14: for example RN.</summary>
    public Hl7Value ProfessionalSuffix => parts[14];
}

/// <summary>XCN: a person with an identifier, mostly a clinician. CN of 2.1 and 2.2 has the same first parts (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field or repetition.</param>
public readonly ref struct Xcn(Hl7Value value)
{
    private readonly Composite parts = new(value, isNested: false);

    /// <summary>XCN.1: the identifier.</summary>
    public Hl7Value Id => parts[1];

    /// <summary>XCN.2: the family name.</summary>
    public Fn FamilyName => new(parts[2], isNested: true);

    /// <summary>XCN.3: the first given name.</summary>
    public Hl7Value GivenName => parts[3];

    /// <summary>XCN.4: all other given names or their initials.</summary>
    public Hl7Value FurtherGivenNames => parts[4];

    /// <summary>XCN.5: for example JR.</summary>
    public Hl7Value Suffix => parts[5];

    /// <summary>XCN.6: for example DR.</summary>
    public Hl7Value Prefix => parts[6];

    /// <summary>XCN.7: for example MD; withdrawn in 2.7.</summary>
    public Hl7Value Degree => parts[7];

    /// <summary>XCN.8: where the identifier is from.</summary>
    public Cwe SourceTable => new(parts[8], isNested: true);

    /// <summary>XCN.9: who assigned the identifier.</summary>
    public Hd AssigningAuthority => new(parts[9], isNested: true);

    /// <summary>XCN.10: of what kind the name is (table 0200).</summary>
    public Hl7Value NameType => parts[10];

    /// <summary>XCN.11: the identifier's check digit.</summary>
    public Hl7Value CheckDigit => parts[11];

    /// <summary>XCN.12: how that is computed.</summary>
    public Hl7Value CheckDigitScheme => parts[12];

    /// <summary>XCN.13: of what kind the identifier is (table 0203).</summary>
    public Hl7Value IdentifierType => parts[13];

    /// <summary>XCN.14: where it was assigned.</summary>
    public Hd AssigningFacility => new(parts[14], isNested: true);

    /// <summary>XCN.15: A alphabetic, I ideographic, P phonetic.</summary>
    public Hl7Value Representation => parts[15];

    /// <summary>XCN.16: in which the name is used.</summary>
    public Cwe Context => new(parts[16], isNested: true);

    /// <summary>XCN.17: from and to; withdrawn in 2.7.</summary>
    public Dr ValidityRange => new(parts[17], isNested: true);

    /// <summary>XCN.18: G given name first, F family name first.</summary>
    public Hl7Value AssemblyOrder => parts[18];

    /// <summary>XCN.19: valid from.</summary>
    public Hl7Value EffectiveDate => parts[19];

    /// <summary>XCN.20: valid to.</summary>
    public Hl7Value ExpirationDate => parts[20];

    /// <summary>XCN.21: for example RN.</summary>
    public Hl7Value ProfessionalSuffix => parts[21];
}

using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Types;

/// <summary>CWE, CNE and CE: a code with its text and system, an alternate of the same, and the words that were coded (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field, repetition or component.</param>
/// <param name="isNested">True when it is a component of another type, so that its own parts are subcomponents.</param>
public readonly ref struct Cwe(Hl7Value value, bool isNested = false)
{
    private readonly Composite parts = new(value, isNested);

    /// <summary>CWE.1: the code.</summary>
    public Hl7Value Id => parts[1];

    /// <summary>CWE.2: its name.</summary>
    public Hl7Value Text => parts[2];

    /// <summary>CWE.3: the system that it is from (table 0396), for example LN.</summary>
    public Hl7Value CodingSystem => parts[3];

    /// <summary>CWE.4: the code in another system.</summary>
    public Hl7Value AlternateId => parts[4];

    /// <summary>CWE.5: its name there.</summary>
    public Hl7Value AlternateText => parts[5];

    /// <summary>CWE.6: that system.</summary>
    public Hl7Value AlternateCodingSystem => parts[6];

    /// <summary>CWE.7: the version of the system.</summary>
    public Hl7Value CodingSystemVersion => parts[7];

    /// <summary>CWE.8: the version of the other.</summary>
    public Hl7Value AlternateCodingSystemVersion => parts[8];

    /// <summary>CWE.9: the words that were coded.</summary>
    public Hl7Value OriginalText => parts[9];

    /// <summary>CWE.10: the code in a third system (2.7).</summary>
    public Hl7Value SecondAlternateId => parts[10];

    /// <summary>CWE.11: its name there.</summary>
    public Hl7Value SecondAlternateText => parts[11];

    /// <summary>CWE.12: that system.</summary>
    public Hl7Value SecondAlternateCodingSystem => parts[12];

    /// <summary>CWE.14: the system as an OID (2.7).</summary>
    public Hl7Value CodingSystemOid => parts[14];

    /// <summary>CWE.15: the value set as an OID (2.7).</summary>
    public Hl7Value ValueSetOid => parts[15];
}

using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Types;

/// <summary>SAD: a street address with its parts. Senders before 2.5 write it as one (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field, repetition or component.</param>
/// <param name="isNested">True when it is a component of another type, so that its own parts are subcomponents.</param>
public readonly ref struct Sad(Hl7Value value, bool isNested = false)
{
    private readonly Composite parts = new(value, isNested);

    /// <summary>SAD.1: the whole line.</summary>
    public Hl7Value StreetAddress => parts[1];

    /// <summary>SAD.2: the street.</summary>
    public Hl7Value StreetName => parts[2];

    /// <summary>SAD.3: the house.</summary>
    public Hl7Value DwellingNumber => parts[3];
}

/// <summary>XAD: an address. AD has the same first parts (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field or repetition.</param>
public readonly ref struct Xad(Hl7Value value)
{
    private readonly Composite parts = new(value, isNested: false);

    /// <summary>XAD.1: the street address.</summary>
    public Sad Street => new(parts[1], isNested: true);

    /// <summary>XAD.2: the second line.</summary>
    public Hl7Value OtherDesignation => parts[2];

    /// <summary>XAD.3: the city.</summary>
    public Hl7Value City => parts[3];

    /// <summary>XAD.4: the state or province.</summary>
    public Hl7Value State => parts[4];

    /// <summary>XAD.5: the zip or postal code.</summary>
    public Hl7Value PostalCode => parts[5];

    /// <summary>XAD.6: the country (table 0399).</summary>
    public Hl7Value Country => parts[6];

    /// <summary>XAD.7: of what kind it is (table 0190): H home, B business, ….</summary>
    public Hl7Value AddressType => parts[7];

    /// <summary>XAD.8: a further part.</summary>
    public Hl7Value OtherGeographic => parts[8];

    /// <summary>XAD.9: the county or parish.</summary>
    public Hl7Value County => parts[9];

    /// <summary>XAD.10: the census tract.</summary>
    public Hl7Value CensusTract => parts[10];

    /// <summary>XAD.11: A alphabetic, I ideographic, P phonetic.</summary>
    public Hl7Value Representation => parts[11];

    /// <summary>XAD.12: from and to; withdrawn in 2.7.</summary>
    public Dr ValidityRange => new(parts[12], isNested: true);

    /// <summary>XAD.13: valid from.</summary>
    public Hl7Value EffectiveDate => parts[13];

    /// <summary>XAD.14: valid to.</summary>
    public Hl7Value ExpirationDate => parts[14];
}

/// <summary>XTN: a telephone number, an e-mail address or the like. TN has the first part only (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field or repetition.</param>
public readonly ref struct Xtn(Hl7Value value)
{
    private readonly Composite parts = new(value, isNested: false);

    /// <summary>XTN.1: the number as text, as TN and all versions before 2.7 have it: <c>[NN] [(999)]999-9999[X99999][B99999][C any text]</c>.</summary>
    public Hl7Value Text => parts[1];

    /// <summary>XTN.2: for what it is used (table 0201): PRN, WPN, NET, …</summary>
    public Hl7Value Use => parts[2];

    /// <summary>XTN.3: with what (table 0202): PH, CP, FX, Internet, …</summary>
    public Hl7Value Equipment => parts[3];

    /// <summary>XTN.4: an e-mail or other address.</summary>
    public Hl7Value Address => parts[4];

    /// <summary>XTN.5: the country's code.</summary>
    public Hl7Value CountryCode => parts[5];

    /// <summary>XTN.6: the area's code.</summary>
    public Hl7Value AreaCode => parts[6];

    /// <summary>XTN.7: the number within the area.</summary>
    public Hl7Value LocalNumber => parts[7];

    /// <summary>XTN.8: the extension.</summary>
    public Hl7Value Extension => parts[8];

    /// <summary>XTN.9: a remark.</summary>
    public Hl7Value Remark => parts[9];

    /// <summary>XTN.12: the number as it is dialled (2.5).</summary>
    public Hl7Value Unformatted => parts[12];

    /// <summary>The e-mail address: XTN.4, or XTN.1 where a sender before 2.7 wrote it there; null when there is none.</summary>
    public string? GetEmail()
    {
        var address = Address.HasValue ? Address : Text;
        return address.HasValue && address.Raw.Contains((byte)'@') ? address.GetString() : null;
    }

    /// <summary>
    /// The telephone number in the fullest form that there is: the parts of 2.3 and later joined, XTN.12, or the text of XTN.1;
    /// null when there is none.
    /// </summary>
    public string? GetNumber()
    {
        if (LocalNumber.HasValue)
        {
            var country = CountryCode.HasValue ? $"+{CountryCode.GetString().TrimStart('+')} " : "";
            var area = AreaCode.HasValue ? $"{AreaCode.GetString()} " : "";
            return country + area + LocalNumber.GetString() + (Extension.HasValue ? $" x{Extension.GetString()}" : "");
        }

        return Unformatted.HasValue ? Unformatted.GetString()
            : Text.HasValue && !Text.Raw.Contains((byte)'@') ? Text.GetString()
            : null;
    }
}

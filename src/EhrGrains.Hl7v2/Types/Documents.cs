using System.Buffers;
using System.Buffers.Text;
using System.Text;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Types;

/// <summary>ED: a document inside the message (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field or repetition.</param>
public readonly ref struct Ed(Hl7Value value)
{
    private static readonly SearchValues<char> Blanks = SearchValues.Create(" \t\r\n");
    private readonly Composite parts = new(value, isNested: false);

    /// <summary>ED.1: the application that it is from.</summary>
    public Hd Source => new(parts[1], isNested: true);

    /// <summary>ED.2: its main type (table 0834): application, image, text, …</summary>
    public Hl7Value MainType => parts[2];

    /// <summary>ED.3: its subtype (table 0291): PDF, jpeg, …</summary>
    public Hl7Value Subtype => parts[3];

    /// <summary>ED.4: how it is written (table 0299): A as text, Hex, Base64.</summary>
    public Hl7Value Encoding => parts[4];

    /// <summary>ED.5: the data as they stand in the message; not copied.</summary>
    public Hl7Value Data => parts[5];

    /// <summary>
    /// The document. Base64 may hold line ends, blanks, escaped line ends and a <c>data:</c> prefix, as senders write it. False when
    /// there is none, or it is not what ED.4 says.
    /// </summary>
    public bool TryDecode([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out byte[]? document)
    {
        document = null;
        if (!Data.HasValue)
        {
            return false;
        }

        if (Encoding.IsEmpty || Encoding.Is("A"))
        {
            document = System.Text.Encoding.UTF8.GetBytes(Data.GetString());
            return true;
        }

        var text = Data.GetString();
        var prefix = text.StartsWith("data:", StringComparison.OrdinalIgnoreCase) ? text.IndexOf(',', StringComparison.Ordinal) : -1;
        var body = text.AsSpan(prefix + 1);
        return Ascii.EqualsIgnoreCase(Encoding.Raw, "base64") ? TryBase64(body, out document)
            : Ascii.EqualsIgnoreCase(Encoding.Raw, "hex") && TryHex(body, out document);
    }

    private static bool TryBase64(ReadOnlySpan<char> text, out byte[]? document)
    {
        var isValid = Base64.IsValid(text, out var length);
        document = isValid ? new byte[length] : null;
        return isValid && Convert.TryFromBase64Chars(text, document, out var written) && written == length;
    }

    private static bool TryHex(ReadOnlySpan<char> text, out byte[]? document)
    {
        document = null;
        var digits = text.ContainsAny(Blanks) ? string.Concat(text.ToString().Where(c => !Blanks.Contains(c))) : text;
        if (digits.Length % 2 != 0 || digits.ContainsAnyExcept(SearchHex))
        {
            return false;
        }

        document = Convert.FromHexString(digits);
        return true;
    }

    private static readonly SearchValues<char> SearchHex = SearchValues.Create("0123456789abcdefABCDEF");
}

/// <summary>RP: where a document is to be found (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field or repetition.</param>
public readonly ref struct Rp(Hl7Value value)
{
    private readonly Composite parts = new(value, isNested: false);

    /// <summary>RP.1: the pointer: a key or a URL.</summary>
    public Hl7Value Pointer => parts[1];

    /// <summary>RP.2: the application that knows it.</summary>
    public Hd Application => new(parts[2], isNested: true);

    /// <summary>RP.3: the document's main type.</summary>
    public Hl7Value MainType => parts[3];

    /// <summary>RP.4: the document's subtype.</summary>
    public Hl7Value Subtype => parts[4];
}

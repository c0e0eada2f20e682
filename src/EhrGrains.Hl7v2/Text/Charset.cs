using System.Text;

namespace EhrGrains.Hl7v2.Text;

/// <summary>A character set as MSH-18 names it (HL7 table 0211, and what senders write instead).</summary>
internal sealed class Charset
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private Charset(string name, bool keepsAscii, Encoding encoding)
    {
        Name = name;
        KeepsAscii = keepsAscii;
        Encoding = encoding;
    }

    internal static Charset Ascii { get; } = new("ASCII", true, Encoding.Latin1);

    internal static Charset Utf8 { get; } = new("UNICODE UTF-8", true, StrictUtf8);

    internal static Charset Latin1 { get; } = new("8859/1", true, Encoding.Latin1);

    internal static Charset Japanese { get; } = new("ISO IR87", false, CodePage(50220));

    internal static Charset BigEndianUtf16 { get; } = new("UNICODE UTF-16", false, Encoding.BigEndianUnicode);

    internal static Charset LittleEndianUtf16 { get; } = new("UNICODE UTF-16", false, Encoding.Unicode);

    internal static Charset BigEndianUtf32 { get; } = new("UNICODE UTF-32", false, new UTF32Encoding(bigEndian: true, byteOrderMark: false));

    internal static Charset LittleEndianUtf32 { get; } = new("UNICODE UTF-32", false, new UTF32Encoding(bigEndian: false, byteOrderMark: false));

    internal static Charset Windows1252 { get; } = new("WINDOWS-1252", true, CodePage(1252));

    internal string Name { get; }

    /// <summary>
    /// True when a byte below 0x80 is always the ASCII character: single-byte sets, UTF-8, EUC. In the others (GB 18030, Big5,
    /// Shift JIS, ISO 2022, UTF-16, UTF-32) a byte that looks like a delimiter can be half of a character, so that the message is
    /// turned into UTF-8 before it is divided.
    /// </summary>
    internal bool KeepsAscii { get; }

    internal Encoding Encoding { get; }

    /// <summary>Bytes of a code unit: 2 in UTF-16, 4 in UTF-32, else 1.</summary>
    internal int UnitBytes => this == BigEndianUtf16 || this == LittleEndianUtf16 ? 2 : this == BigEndianUtf32 || this == LittleEndianUtf32 ? 4 : 1;

    /// <summary>The ASCII character of a code unit; 0xFF for any other.</summary>
    internal byte Narrow(ReadOnlySpan<byte> unit)
    {
        var isBigEndian = this == BigEndianUtf16 || this == BigEndianUtf32;
        var character = isBigEndian ? unit[^1] : unit[0];
        var rest = isBigEndian ? unit[..^1] : unit[1..];
        return character < 0x80 && !rest.ContainsAnyExcept((byte)0) ? character : (byte)0xFF;
    }

    /// <summary>The set of that name; null when none is known. Blanks, hyphens and case do not matter.</summary>
    internal static Charset? Find(ReadOnlySpan<byte> name)
    {
        if (name.Length is 0 or > 40)
        {
            return null;
        }

        Span<char> key = stackalloc char[40];
        var length = 0;
        foreach (var b in name)
        {
            if (char.IsAsciiLetterOrDigit((char)b) || b == (byte)'/')
            {
                key[length++] = char.ToUpperInvariant((char)b);
            }
        }

        return ByName.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(key[..length], out var charset) ? charset : null;
    }

    /// <summary>The same set for a message that has been turned into UTF-8, as which its text is then read and written.</summary>
    internal Charset ForUtf8() => forUtf8 ??= new Charset(Name, true, Utf8.Encoding) { Original = this };

    /// <summary>The set that the message came in, where it has been turned into UTF-8; else null.</summary>
    internal Charset? Original { get; private init; }

    private Charset? forUtf8;

    /// <summary>What bytes that are not in the set they claim really are: UTF-8 when they are valid UTF-8, else Windows-1252.</summary>
    internal static Charset Guess(ReadOnlySpan<byte> bytes) => System.Text.Unicode.Utf8.IsValid(bytes) ? Utf8 : Windows1252;

    /// <summary>False when the bytes cannot be in this set: decoding them would lose some.</summary>
    internal bool CanHold(ReadOnlySpan<byte> bytes) =>
        this == Ascii ? System.Text.Ascii.IsValid(bytes)
        : this == Utf8 ? System.Text.Unicode.Utf8.IsValid(bytes)
        : this == Latin1 || this == Windows1252 || !Encoding.GetString(bytes).Contains('\uFFFD', StringComparison.Ordinal);

    private static readonly Dictionary<string, Charset> ByName = MakeTable();

    private static Dictionary<string, Charset> MakeTable()
    {
        var table = new Dictionary<string, Charset>(StringComparer.Ordinal);
        void Add(Charset charset, params string[] names)
        {
            foreach (var name in names)
            {
                table.Add(name, charset);
            }
        }

        Add(Ascii, "ASCII", "USASCII", "ANSI", "7BIT");
        Add(Utf8, "UNICODEUTF8", "UTF8", "UNICODE", "ISOIR192");
        Add(Latin1, "8859/1", "88591", "ISO88591", "ISO8859/1", "LATIN1", "ISOIR100");
        Add(Windows1252, "WINDOWS1252", "CP1252", "1252");
        for (var page = 1250; page <= 1258; page++)
        {
            if (page != 1252)
            {
                Add(new Charset($"WINDOWS-{page}", true, CodePage(page)), $"WINDOWS{page}", $"CP{page}");
            }
        }

        ReadOnlySpan<(int Part, int CodePage)> parts =
            [(2, 28592), (3, 28593), (4, 28594), (5, 28595), (6, 28596), (7, 28597), (8, 28598), (9, 28599), (15, 28605)];
        foreach (var (part, codePage) in parts)
        {
            Add(new Charset($"8859/{part}", true, CodePage(codePage)), $"8859/{part}", $"8859{part}", $"ISO8859{part}", $"ISO8859/{part}");
        }

        // ISO IR6 is ASCII, IR14 the Latin set of JIS X 0201; IR87 and IR159 are reached from it by escape sequences.
        Add(Japanese, "ISOIR14", "ISOIR87", "ISOIR159", "ISO2022JP");
        Add(new Charset("JAS2020", false, CodePage(932)), "JAS2020", "SHIFTJIS", "SJIS", "JIS");
        Add(new Charset("GB 18030-2000", false, CodePage(54936)), "GB180302000", "GB18030", "GB2312", "GBK");
        Add(new Charset("KS X 1001", true, CodePage(51949)), "KSX1001", "EUCKR");
        Add(new Charset("BIG-5", false, CodePage(950)), "BIG5");
        Add(new Charset("CNS 11643-1992", true, CodePage(20000)), "CNS116431992");
        Add(BigEndianUtf16, "UNICODEUTF16", "UTF16");
        Add(BigEndianUtf32, "UNICODEUTF32", "UTF32");
        return table;
    }

    private static Encoding CodePage(int codePage) =>
        CodePagesEncodingProvider.Instance.GetEncoding(codePage) ?? throw new NotSupportedException($"Code page {codePage} is missing.");
}

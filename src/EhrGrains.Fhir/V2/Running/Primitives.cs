using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using EhrGrains.Fhir.V2.Compiling;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Types;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>Values to the primitives of FHIR R4 (R4 §2.24.0.1): the text as JSON has it, or why it cannot be.</summary>
internal static class Primitives
{
    private const int IdLengthMax = 64;
    private static readonly char[] Blank = [.. Enumerable.Range(0, char.MaxValue + 1).Select(c => (char)c).Where(char.IsWhiteSpace)];
    private static readonly SearchValues<char> NotInUris = SearchValues.Create([.. "\"<>\\^`{|}", .. Blank]);
    private static readonly SearchValues<char> BlankButSpace = SearchValues.Create([.. Blank.Where(c => c != ' ')]);

    /// <summary>The text of a value as a primitive; null with the kind of exception when it is none.</summary>
    internal static string? TextOf(Hl7Value value, FhirType type, FhirElement? element, TimeZoneInfo zone, out string wrong)
    {
        wrong = MappingExceptionKinds.WrongValue;
        switch (type.Name)
        {
            case "date" or "dateTime" or "instant":
                wrong = MappingExceptionKinds.ImpossibleDate;
                return Hl7Time.TryRead(value, out var time) ? TimeOf(time, type.Name, zone) : null;
            case "time":
                wrong = MappingExceptionKinds.ImpossibleDate;
                return Hl7TimeOfDay.TryRead(value, out var ofDay) ? ofDay.Time.ToString("HH':'mm':'ss", CultureInfo.InvariantCulture) : null;
            case "boolean":
                return BooleanOf(value.GetString().Trim());
            case "decimal":
                return value.TryReadNumber(out var number) ? number.ToString(CultureInfo.InvariantCulture) : null;
            case "integer" or "positiveInt" or "unsignedInt":
                return value.TryReadNumber(out var whole) ? WholeOf(whole, type.Name) : null;
            default:
                return Check(value.GetString(), type, element, out wrong);
        }
    }

    /// <summary>The text, if it is one of that type.</summary>
    internal static string? Check(string text, FhirType type, FhirElement? element, out string wrong)
    {
        wrong = MappingExceptionKinds.WrongValue;
        switch (type.Name)
        {
            case "code":
                wrong = MappingExceptionKinds.UnknownCode;
                text = Blanks(text);
                return text.Length > 0 && (element?.Codes is not { } codes || codes.Contains(text)) ? text : null;
            case "uri" or "url" or "canonical" or "oid" or "uuid":
                text = text.Trim();
                return IsUri(text) ? text : null;
            case "id":
                text = text.Trim();
                return text.Length is > 0 and <= IdLengthMax && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.') ? text : null;
            case "boolean":
                return BooleanOf(text);
            case "base64Binary":
                text = string.Concat(text.Where(c => !char.IsWhiteSpace(c)));
                return text.Length > 0 && Base64.IsValid(text) ? text : null;
            case "date" or "dateTime" or "instant" or "decimal" or "integer" or "positiveInt" or "unsignedInt":
                return text.Length > 0 ? text : null;
            default:
                text = Clean(text);
                return text.Length > 0 ? text : null;
        }
    }

    /// <summary>
    /// A time as far as it was stated. FHIR wants an offset and seconds with every time of day: the zone of the site gives the offset,
    /// and seconds that were not stated are zero (R4 §2.24.0.1, dateTime).
    /// </summary>
    internal static string? TimeOf(Hl7Time time, string type, TimeZoneInfo zone)
    {
        if (type == "date" || time.Precision <= Hl7TimePrecision.Day)
        {
            return type == "instant" ? null : (time with { Offset = null, Precision = time.Precision > Hl7TimePrecision.Day ? Hl7TimePrecision.Day : time.Precision }).ToString();
        }

        if (time.ToInstant(zone) is not { } instant)
        {
            return null;
        }

        var precision = time.Precision < Hl7TimePrecision.Second ? Hl7TimePrecision.Second : time.Precision;
        return (time with { Offset = instant.Offset, Precision = precision }).ToString();
    }

    // R4 §2.24.0.1, uri; what RFC 3986 §2 has no place for is no URI, and an address on the web has a host.
    private static bool IsUri(string text) =>
        text.Length > 0 && !text.AsSpan().ContainsAny(NotInUris)
        && (!text.StartsWith("http", StringComparison.OrdinalIgnoreCase) || !text.Contains("://", StringComparison.Ordinal) || Uri.TryCreate(text, UriKind.Absolute, out _));

    private static string? BooleanOf(string text) => text switch
    {
        "Y" or "y" or "1" or "T" or "true" or "TRUE" => "true",
        "N" or "n" or "0" or "F" or "false" or "FALSE" => "false",
        _ => null,
    };

    private static string? WholeOf(decimal number, string type) =>
        number == decimal.Truncate(number) && number <= int.MaxValue && number >= (type == "integer" ? int.MinValue : type == "positiveInt" ? 1 : 0)
            ? decimal.Truncate(number).ToString("0", CultureInfo.InvariantCulture)
            : null;

    // A code has no blanks but single ones inside (R4 §2.24.0.1, code).
    private static string Blanks(string text)
    {
        text = text.Trim();
        return text.AsSpan().ContainsAny(BlankButSpace) || text.Contains("  ", StringComparison.Ordinal)
            ? string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            : text;
    }

    // A string has no control characters but tab and line ends (R4 §2.24.0.1, string).
    private static string Clean(string text)
    {
        var trimmed = text.Trim();
        return trimmed.AsSpan().ContainsAnyInRange('\0', '\u001F')
            ? string.Concat(trimmed.Where(c => c >= ' ' || c is '\t' or '\n' or '\r')).Trim()
            : trimmed;
    }
}

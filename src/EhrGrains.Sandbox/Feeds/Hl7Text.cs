using System.Globalization;
using System.Text;

namespace EhrGrains.Sandbox.Feeds;

/// <summary>
/// Writes HL7 v2 with the usual delimiters. Plain on purpose and of its own: what reads feeds is not tested with its own writer.
/// </summary>
internal static class Hl7Text
{
    /// <summary>A text as the value of a field, component or sub-component (HL7 v2.5.1 §2.7).</summary>
    public static string Escape(string? text)
    {
        if (text is null || text.AsSpan().IndexOfAny(@"\|^~&") < 0)
        {
            return text ?? "";
        }

        var escaped = new StringBuilder(text.Length + 8);
        foreach (var c in text)
        {
            escaped.Append(c switch { '\\' => @"\E\", '|' => @"\F\", '^' => @"\S\", '~' => @"\R\", '&' => @"\T\", _ => null });
            if (!@"\|^~&".Contains(c, StringComparison.Ordinal))
            {
                escaped.Append(c);
            }
        }

        return escaped.ToString();
    }

    /// <summary>Components of plain texts, without those that are empty at the end.</summary>
    public static string Components(params string?[] texts) => Join('^', texts.Select(Escape));

    /// <summary>Fields that are encoded already, without those that are empty at the end.</summary>
    public static string Segment(string id, params string?[] fields) => $"{id}|{Join('|', fields)}";

    public static string Join(char delimiter, IEnumerable<string?> parts) => string.Join(delimiter, parts).TrimEnd(delimiter);

    /// <summary>A FHIR date or instant as DTM or TS: in the hospital's own time, with its offset where the vendor writes one.</summary>
    public static string Time(string? fhir, TimeZoneInfo zone, bool offset)
    {
        if (fhir is null || !fhir.Contains('T', StringComparison.Ordinal))
        {
            return fhir?.Replace("-", "", StringComparison.Ordinal) ?? "";
        }

        var local = TimeZoneInfo.ConvertTime(DateTimeOffset.Parse(fhir, CultureInfo.InvariantCulture), zone);
        var text = local.ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture);
        return offset ? text + local.ToString("zzz", CultureInfo.InvariantCulture).Replace(":", "", StringComparison.Ordinal) : text;
    }
}

using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using EhrGrains.Fhir.V2.Compiling;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Types;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>A conversion that a rule names with <c>by</c>: a value to the text of an element; null when it cannot be.</summary>
/// <param name="value">The value.</param>
/// <param name="isNested">Whether it is a component, so that its own parts are subcomponents.</param>
/// <param name="tables">What the conversion may look up.</param>
internal delegate string? ConvertValue(Hl7Value value, bool isNested, ConversionTables tables);

/// <summary>A conversion with its name.</summary>
internal sealed record Conversion(string Name, ConvertValue Convert);

/// <summary>What conversions look up: the site and the names of code systems.</summary>
internal sealed record ConversionTables(SiteLayer Site, TimeZoneInfo Zone, CodeSystemNames Systems);

/// <summary>The few conversions that rules cannot say.</summary>
internal static class Conversions
{
    private static readonly FrozenDictionary<string, Conversion> All = new Conversion[]
    {
        new("raw", static (value, _, _) => value.GetString()),
        new("authority", static (value, isNested, tables) => Authorities.SystemOf(new Hd(value, isNested), tables.Site)),
        new("entity-authority", static (value, isNested, tables) => Authorities.SystemOf(new Ei(value, isNested), tables.Site)),
        new("system", static (value, _, tables) => tables.Systems.UriOf(value.GetString().Trim())),
        new("urn", static (value, _, _) => Authorities.UrnOf(value.GetString().Trim())),
        new("spaced", static (value, _, _) => Spaced(value)),
        new("base64", static (value, _, _) => DataOf(value)),
        new("media-type", static (value, _, _) => MediaTypeOf(value)),
        new("offset-minutes", static (value, _, _) => OffsetMinutesOf(value)),
        new("name", static (value, _, _) => NameOf(new Xpn(value))),
    }.ToFrozenDictionary(conversion => conversion.Name, StringComparer.Ordinal);

    internal static IEnumerable<string> Names => All.Keys.Order(StringComparer.Ordinal);

    internal static Conversion? Find(string name) => All.GetValueOrDefault(name);

    // The components in words: what a structured number (SN) says that is no number.
    private static string? Spaced(Hl7Value value)
    {
        var words = new StringBuilder();
        for (var component = 1; component <= 4; component++)
        {
            words.Append(value.Component(component).GetString()).Append(' ');
        }

        return string.Join(' ', words.ToString().Split(' ', StringSplitOptions.RemoveEmptyEntries)) is { Length: > 0 } text ? text : null;
    }

    // How long before or after an event (RPT.9, in the unit of RPT.10), in minutes as FHIR has it.
    private static string? OffsetMinutesOf(Hl7Value value)
    {
        var minutes = value.Component(10).Subcomponent(1).GetString().Trim() switch
        {
            "s" or "sec" => 1m / 60,
            "min" => 1m,
            "h" or "hr" => 60m,
            "d" or "day" => 1440m,
            _ => 0m,
        };
        return minutes > 0 && value.Component(9).TryReadNumber(out var offset) && offset * minutes is > 0 and < int.MaxValue and var whole
            ? decimal.Round(whole).ToString("0", CultureInfo.InvariantCulture)
            : null;
    }

    // The data of an ED, or a text, as FHIR wants it: in base64 (HL7 v2.5.1 §2.A.24, ED.4: A, Hex, Base64).
    private static string? DataOf(Hl7Value value)
    {
        var data = value.Component(5).HasValue ? value.Component(5).GetString() : value.GetString();
        try
        {
            return value.Component(4).GetString().Trim().ToUpperInvariant() switch
            {
                "BASE64" => string.Concat(data.Where(c => !char.IsWhiteSpace(c))),
                "HEX" => Convert.ToBase64String(Convert.FromHexString(string.Concat(data.Where(c => !char.IsWhiteSpace(c))))),
                _ => Convert.ToBase64String(Encoding.UTF8.GetBytes(data)),
            };
        }
        catch (FormatException)
        {
            return null;
        }
    }

    // Type and subtype (tables 0191 and 0291), which may be spelt out (^application^pdf) or a code (^IM^JPEG).
    private static string? MediaTypeOf(Hl7Value value)
    {
        var sub = (value.Component(3).HasValue ? value.Component(3) : value.Component(4)).GetString().Trim().ToLowerInvariant();
        var type = value.Component(2).GetString().Trim();
        return sub.Length == 0 ? null : sub.Contains('/', StringComparison.Ordinal) ? sub : type.ToUpperInvariant() switch
        {
            "IM" or "IMAGE" or "SI" or "SD" => $"image/{sub}",
            "AU" or "AUDIO" => $"audio/{sub}",
            "TX" or "FT" or "TEXT" => $"text/{sub}",
            "VIDEO" => $"video/{sub}",
            _ => $"application/{sub}",
        };
    }

    // As it is spoken: prefix, given names, family name, suffix.
    private static string? NameOf(Xpn name)
    {
        string[] parts =
        [
            name.Prefix.GetString(), name.GivenName.GetString(), name.FurtherGivenNames.GetString(), name.FamilyName.Surname.GetString(),
            name.Suffix.GetString(),
        ];
        var text = string.Join(' ', parts.Select(part => part.Trim()).Where(part => part.Length > 0 && part != "\"\""));
        return text.Length > 0 ? text : null;
    }
}

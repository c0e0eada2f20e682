using System.Collections.Frozen;
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
        new("name", static (value, _, _) => NameOf(new Xpn(value))),
    }.ToFrozenDictionary(conversion => conversion.Name, StringComparer.Ordinal);

    internal static IEnumerable<string> Names => All.Keys.Order(StringComparer.Ordinal);

    internal static Conversion? Find(string name) => All.GetValueOrDefault(name);

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

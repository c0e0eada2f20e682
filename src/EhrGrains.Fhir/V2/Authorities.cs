using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Types;

namespace EhrGrains.Fhir.V2;

/// <summary>Assigning authorities to identifier systems.</summary>
internal static class Authorities
{
    /// <summary>
    /// What the site says of the authority by either of its names; else its universal id as a URI (HL7 table 0301). Null when it has
    /// only a local name: <c>HOSP</c> is no URI, and another hospital may be called the same.
    /// </summary>
    internal static string? SystemOf(Hd authority, SiteLayer site) =>
        SystemOf(Text(authority.NamespaceId), Text(authority.UniversalId), Text(authority.UniversalIdType), site);

    /// <summary>The same for who assigned an entity's id: the last three components of an EI.</summary>
    internal static string? SystemOf(Ei entity, SiteLayer site) =>
        SystemOf(Text(entity.NamespaceId), Text(entity.UniversalId), Text(entity.UniversalIdType), site);

    private static string? SystemOf(string name, string universal, string type, SiteLayer site) =>
        site.Authorities.GetValueOrDefault(name) ?? site.Authorities.GetValueOrDefault(universal)
            ?? (universal.Length > 0 && !universal.Any(char.IsWhiteSpace) ? ToUri(universal, type) : null);

    private static string Text(Hl7Value value) => value.HasValue ? value.GetString().Trim() : "";

    /// <summary>A universal id as a URI when it has the form of an object identifier or a UUID; else as it is.</summary>
    internal static string UrnOf(string id) => IsDotted(id) ? $"urn:oid:{id}" : Guid.TryParse(id, out var uuid) ? $"urn:uuid:{uuid}" : id;

    private static string? ToUri(string id, string type) => type switch
    {
        "ISO" or "" when IsOid(id) => $"urn:oid:{id}",
        "UUID" or "GUID" when Guid.TryParse(id, out var uuid) => $"urn:uuid:{uuid}",
        "URI" => id,
        _ when id.StartsWith("urn:", StringComparison.Ordinal) || id.StartsWith("http", StringComparison.Ordinal) => id,
        "DNS" => $"urn:dns:{id}",
        _ => null,
    };

    // What a sender calls an object identifier, also one that nobody can have registered (9.8).
    private static bool IsDotted(string id) => id.Contains('.', StringComparison.Ordinal) && id.Split('.').All(arc => arc.Length > 0 && arc.All(char.IsAsciiDigit));

    // Arcs of an object identifier: 0, 1 or 2 first, no leading zeros (FHIR R4 oid).
    private static bool IsOid(string id) =>
        id.Length > 2 && id[0] is >= '0' and <= '2' && id[1] == '.'
        && id.Split('.') is var arcs && arcs.All(arc => arc.Length > 0 && arc.All(char.IsAsciiDigit) && (arc.Length == 1 || arc[0] != '0'));
}

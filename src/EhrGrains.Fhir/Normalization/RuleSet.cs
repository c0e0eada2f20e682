using System.Text;
using System.Text.Json;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.Normalization;

/// <summary>What the pass has to know about a resource type.</summary>
internal sealed record TypeRules(string Name, MustHave[] MustHaves);

/// <summary>The rules of a scope, ready for bytes. Immutable.</summary>
internal sealed class RuleSet
{
    private const string OriginalClassUrl = "https://ehrgrains.dev/fhir/StructureDefinition/original-class";

    private readonly HashSet<Rule> chosen;
    private readonly ByteTable<TypeRules> types;
    private readonly ByteTable<byte[]> codeSystems;
    private readonly ByteTable<byte[]> identifierTypes;
    private readonly ByteTable<byte[]> encounterClasses;
    private readonly byte[][] bases;

    internal RuleSet(NormalizationScope scope)
    {
        var data = scope.Profile.Normalization;
        Profile = scope.Profile;
        Zone = scope.Zone;
        chosen = [.. data.Rules.Select(name => Rules.Optional[name])];
        ZonesTimes = Applies(Rule.ZonedTimes);
        types = new(ResourceTypes.All.Select(t =>
            KeyValuePair.Create(t, new TypeRules(t, Applies(Rule.MustHaves) ? MustHaves.ByType.GetValueOrDefault(t, []) : []))));
        codeSystems = new(CodeSystems.Common.Where(s => !data.CodeSystems.ContainsKey(s.Key)).Concat(data.CodeSystems)
            .Select(s => KeyValuePair.Create(s.Key, Quoted(s.Value))));
        identifierTypes = new(data.IdentifierTypes.Select(t => KeyValuePair.Create(t.Key, Encoding.UTF8.GetBytes(
            $$"""{"system":"{{CodeSystems.IdentifierType}}","code":"{{t.Value}}","display":"{{CodeSystems.IdentifierTypes[t.Value]}}"}"""))));
        encounterClasses = new(data.EncounterClasses.Select(c => KeyValuePair.Create(c.Key, ClassStart(c.Value))));
        bases = Bases(scope.EhrBase);
        Tenant = Encoding.UTF8.GetBytes(scope.Tenant.Value);
        Source = Encoding.UTF8.GetBytes($"\"urn:ehrgrains:tenant:{scope.Tenant.Value}\"");
        Tag = [.. "{\"system\":\""u8, .. TenantSystem, .. "\",\"code\":\""u8, .. Tenant, .. "\"}"u8];
    }

    /// <summary>The system of the tag that names the tenant.</summary>
    internal static ReadOnlySpan<byte> TenantSystem => "https://ehrgrains.dev/fhir/tenant"u8;

    internal VendorProfile Profile { get; }

    internal TimeZoneInfo Zone { get; }

    internal byte[] Tenant { get; }

    /// <summary>The value of <c>meta.source</c>, quoted.</summary>
    internal byte[] Source { get; }

    /// <summary>The tenant's tag.</summary>
    internal byte[] Tag { get; }

    /// <summary>Whether <see cref="Rule.ZonedTimes"/> applies; asked of every text.</summary>
    internal bool ZonesTimes { get; }

    internal bool Applies(Rule rule) => chosen.Contains(rule);

    internal TypeRules? Type(ReadOnlySpan<byte> name) => types.Find(name);

    /// <summary>The canonical URI, quoted, of a code system that goes by another name.</summary>
    internal byte[]? CodeSystem(ReadOnlySpan<byte> system) => codeSystems.Find(system);

    /// <summary>The v2-0203 Coding of an identifier type known by its text.</summary>
    internal byte[]? IdentifierType(ReadOnlySpan<byte> resourceType, ReadOnlySpan<byte> text)
    {
        Span<byte> key = stackalloc byte[160];
        if (resourceType.Length + text.Length + 1 > key.Length)
        {
            return null;
        }

        return identifierTypes.Find(Join(key, resourceType, (byte)'/', text)) ?? identifierTypes.Find(text);
    }

    /// <summary>The start of the Coding, up to where the original goes, of a proprietary Encounter.class.</summary>
    internal byte[]? EncounterClass(ReadOnlySpan<byte> system, ReadOnlySpan<byte> code)
    {
        Span<byte> key = stackalloc byte[256];
        if (system.Length + code.Length + 1 > key.Length)
        {
            return null;
        }

        return encounterClasses.Find(Join(key, system, (byte)'|', code)) ?? (system.IsEmpty ? encounterClasses.Find(code) : null);
    }

    /// <summary>The length of the EHR's base URL with its slash at the start of an absolute URL; 0 when it is another's.</summary>
    internal int BaseLength(ReadOnlySpan<byte> url)
    {
        foreach (var known in bases)
        {
            if (url.Length > known.Length && StartsWithBase(url, known))
            {
                return known.Length;
            }
        }

        return 0;
    }

    // Scheme and host are case-insensitive, the path is not (RFC 3986 §6.2.2.1).
    private static bool StartsWithBase(ReadOnlySpan<byte> url, byte[] known)
    {
        var path = known.AsSpan(8).IndexOf((byte)'/') + 8;
        return Ascii.EqualsIgnoreCase(url[..path], known.AsSpan(0, path)) && url[path..].StartsWith(known.AsSpan(path));
    }

    private static byte[][] Bases(Uri ehrBase)
    {
        var path = ehrBase.AbsolutePath.TrimEnd('/') + "/";
        string[] spellings = ehrBase.IsDefaultPort
            ? [$"{ehrBase.Scheme}://{ehrBase.Host}{path}", $"{ehrBase.Scheme}://{ehrBase.Host}:{ehrBase.Port}{path}"]
            : [$"{ehrBase.Scheme}://{ehrBase.Host}:{ehrBase.Port}{path}"];
        return [.. spellings.Select(Encoding.UTF8.GetBytes)];
    }

    private static ReadOnlySpan<byte> Join(Span<byte> buffer, ReadOnlySpan<byte> first, byte separator, ReadOnlySpan<byte> second)
    {
        first.CopyTo(buffer);
        buffer[first.Length] = separator;
        second.CopyTo(buffer[(first.Length + 1)..]);
        return buffer[..(first.Length + 1 + second.Length)];
    }

    private static byte[] ClassStart(string code) => Encoding.UTF8.GetBytes(
        $$"""{"system":"{{CodeSystems.ActCode}}","code":"{{code}}","display":"{{CodeSystems.EncounterClasses[code]}}","extension":[{"url":"{{OriginalClassUrl}}","valueCoding":""");

    private static byte[] Quoted(string text) => [(byte)'"', .. JsonEncodedText.Encode(text).EncodedUtf8Bytes, (byte)'"'];
}

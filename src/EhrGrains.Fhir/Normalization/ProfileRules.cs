using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.Normalization;

/// <summary>What the pass has to know about a resource type.</summary>
internal sealed record TypeRules(string Name, MustHave[] MustHaves);

/// <summary>A vendor profile's data rules, ready for bytes: made once a profile and shared by all of its tenants.</summary>
internal sealed class ProfileRules
{
    private const string OriginalClassUrl = "https://ehrgrains.dev/fhir/StructureDefinition/original-class";

    private static readonly ConditionalWeakTable<VendorProfile, ProfileRules> Made = new();

    private readonly HashSet<Rule> chosen;
    private readonly ByteTable<TypeRules> types;
    private readonly ByteTable<byte[]> codeSystems;
    private readonly ByteTable<byte[]> identifierTypes;
    private readonly ByteTable<byte[]> encounterClasses;

    private ProfileRules(VendorProfile profile)
    {
        var data = profile.Normalization;
        Profile = profile;
        chosen = [.. data.Rules.Select(name => Rules.Optional[name])];
        ZonesTimes = Applies(Rule.ZonedTimes);
        MarksTexts = Applies(Rule.MarkedUpTexts);
        types = new(ResourceTypes.All.Select(t =>
            KeyValuePair.Create(t, new TypeRules(t, Applies(Rule.MustHaves) ? MustHaves.ByType.GetValueOrDefault(t, []) : []))));
        codeSystems = new(CodeSystems.Common.Where(s => !data.CodeSystems.ContainsKey(s.Key)).Concat(data.CodeSystems)
            .Select(s => KeyValuePair.Create(s.Key, Quoted(s.Value))));
        identifierTypes = new(data.IdentifierTypes.Select(t => KeyValuePair.Create(t.Key, Encoding.UTF8.GetBytes(
            $$"""{"system":"{{CodeSystems.IdentifierType}}","code":"{{t.Value}}","display":"{{CodeSystems.IdentifierTypes[t.Value]}}"}"""))));
        encounterClasses = new(data.EncounterClasses.Select(c => KeyValuePair.Create(c.Key, ClassStart(c.Value))));
    }

    internal VendorProfile Profile { get; }

    /// <summary>Whether <see cref="Rule.ZonedTimes"/> applies; asked of every text.</summary>
    internal bool ZonesTimes { get; }

    /// <summary>Whether <see cref="Rule.MarkedUpTexts"/> applies; asked of every text.</summary>
    internal bool MarksTexts { get; }

    internal static ProfileRules Of(VendorProfile profile) => Made.GetValue(profile, static p => new ProfileRules(p));

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

using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using EhrGrains.Fhir.V2.Compiling;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Fhir.V2;

/// <summary>What a site's codes mean, by the field that they stand in.</summary>
internal sealed class SiteCodes
{
    private readonly FrozenDictionary<(string Segment, int Field, string Code), CodeEntry> entries;

    internal SiteCodes(IReadOnlyList<SiteCode> codes) => entries = codes
        .Select(code => (Address: Hl7Address.Parse(code.Field, null), Code: code))
        .GroupBy(pair => (pair.Address.Segment, pair.Address.Field, pair.Code.From))
        .ToFrozenDictionary(group => group.Key, group => group.Last().Code is var code ? new CodeEntry(code.Code, code.Display, code.System) : null!);

    internal static SiteCodes None { get; } = new([]);

    internal bool TryFind(SourcePlan source, string segment, Hl7Value value, [NotNullWhen(true)] out CodeEntry? entry)
    {
        entry = null;
        return entries.Count > 0 && source.Kind == SourceKind.Field
            && entries.TryGetValue((segment, source.Field, value.Component(1).GetString().Trim()), out entry);
    }
}

using System.Collections.Frozen;

namespace EhrGrains.Fhir.Normalization;

/// <summary>What the pass changes, each with its counter. The first ones always apply; a vendor profile chooses the others.</summary>
internal enum Rule
{
    RelativeReferences,
    LegalIds,
    TenantSource,
    TenantTag,
    RepeatedResources,
    EntryMembers,
    IdentifierTypes,
    IdentifierValues,
    EncounterClass,
    CodeSystems,
    ZonedTimes,
    MustHaves,
    MaskedIdentifiers,
    RedactedResources,
    MergedPatients,
    MarkedUpTexts,
}

/// <summary>The rules by the names that vendor profiles and metrics know them by.</summary>
internal static class Rules
{
    internal static readonly string[] Names =
    [
        "relative-references", "legal-ids", "tenant-source", "tenant-tag", "repeated-resources", "entry-members",
        "identifier-types", "identifier-values", "encounter-class", "code-systems", "zoned-times", "must-haves",
        "masked-identifiers", "redacted-resources", "merged-patients", "marked-up-texts",
    ];

    /// <summary>The rules that a vendor profile chooses.</summary>
    internal static readonly FrozenDictionary<string, Rule> Optional =
        Enumerable.Range((int)Rule.IdentifierTypes, Names.Length - (int)Rule.IdentifierTypes).ToFrozenDictionary(i => Names[i], i => (Rule)i);

    internal static Dictionary<string, int> Counted(ReadOnlySpan<int> counts)
    {
        var result = new Dictionary<string, int>(Names.Length);
        for (var i = 0; i < counts.Length; i++)
        {
            if (counts[i] > 0)
            {
                result.Add(Names[i], counts[i]);
            }
        }

        return result;
    }
}

using System.Text.Json;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Sync;

/// <summary>A resource of a page.</summary>
/// <param name="Facts">What is known of it.</param>
/// <param name="Json">It, normalized.</param>
internal sealed record SyncEntry(ResourceFacts Facts, ReadOnlyMemory<byte> Json);

/// <summary>A page of a search, normalized.</summary>
internal sealed record SyncPage
{
    internal required IReadOnlyList<SyncEntry> Entries { get; init; }

    /// <summary>The EHR's link to the next page; null: this is the last one.</summary>
    internal string? Next { get; init; }

    /// <summary>How many matches the EHR says there are.</summary>
    internal int? Total { get; init; }

    /// <summary>Whether matches are missing.</summary>
    internal bool IsIncomplete { get; init; }

    /// <summary>Whether the search session is over, and the search has to begin again.</summary>
    internal bool IsExpired { get; init; }

    /// <summary>Reads what the normalizer has made of a page.</summary>
    /// <param name="found">What it says of the page.</param>
    /// <param name="entries">The entries, separated by commas; they are copied.</param>
    /// <param name="type">The type that was searched; others are left out.</param>
    /// <param name="rules">How it is copied.</param>
    internal static SyncPage Read(PageResult found, ReadOnlySpan<byte> entries, string type, SyncTypeRules rules)
    {
        var list = new List<SyncEntry>(found.Matches);
        byte[] array = [(byte)'[', .. entries, (byte)']'];
        var reader = new Utf8JsonReader(array);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 2 && reader.ValueTextEquals("resource"u8))
            {
                reader.Read();
                var start = (int)reader.TokenStartIndex;
                reader.Skip();
                var json = array.AsMemory(start, (int)reader.BytesConsumed - start);
                var facts = ResourceFacts.Read(json.Span, rules.Hydrate);
                if (facts.Type == type)
                {
                    list.Add(new SyncEntry(facts, json));
                }
            }
        }

        return new SyncPage
        {
            Entries = list,
            Next = found.Next,
            Total = found.Total,
            IsIncomplete = found.Incomplete,
            IsExpired = found.SessionExpired,
        };
    }
}

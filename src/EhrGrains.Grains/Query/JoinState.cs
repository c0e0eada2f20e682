using System.Text.Json;
using EhrGrains.Contracts.Query;

namespace EhrGrains.Grains.Query;

/// <summary>
/// What a search over EHR and record carries from page to page of the EHR: the search itself, and what the EHR has answered, which the
/// record then leaves out. What both have is the EHR's, for that is how it is now.
/// </summary>
internal sealed class JoinState(SearchParameter[] parameters, List<string> seen)
{
    /// <summary>Where it stands in a position, beside the tenants, whose ids begin with a letter.</summary>
    internal const string Key = "~join";

    /// <summary>The most resources of the EHR that are remembered; a search of more is not joined.</summary>
    internal const int SeenMax = 5_000;

    internal SearchParameter[] Parameters => parameters;

    internal IReadOnlyList<string> Seen => seen;

    internal bool IsFull => seen.Count > SeenMax;

    /// <summary>The state of a search that is to be joined; null when it is not.</summary>
    internal static JoinState? Of(QueryScope query, FhirSearch search, SearchPosition? position)
    {
        if (position is null)
        {
            return search.Freshness == Freshness.Both ? new JoinState(search.Parameters, []) : null;
        }

        return position.Next.TryGetValue(Key, out var text) && text.Split('\n') is [var parameters, var seen] && query.Tenant.Value != Key
            ? new JoinState(RecordCursor.ReadQuery(parameters), [.. RecordCursor.ReadList(seen)])
            : null;
    }

    internal string Write() => $"{RecordCursor.WriteQuery(parameters)}\n{string.Join(',', seen)}";

    /// <summary>Remembers what a page of the EHR holds: entries separated by commas.</summary>
    internal void Add(ReadOnlySpan<byte> entries)
    {
        if (IsFull)
        {
            return;
        }

        byte[] array = [(byte)'[', .. entries, (byte)']'];
        using var document = JsonDocument.Parse(array);
        foreach (var resource in document.RootElement.EnumerateArray().Select(entry => entry.GetProperty("resource"u8)))
        {
            seen.Add($"{resource.GetProperty("resourceType"u8).GetString()}/{resource.GetProperty("id"u8).GetString()}");
        }
    }
}

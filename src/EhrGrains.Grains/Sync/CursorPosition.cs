using System.Text.Json;

namespace EhrGrains.Grains.Sync;

/// <summary>Where the run of one type has got to. Kept sealed with the cursor.</summary>
internal sealed record CursorPosition
{
    /// <summary>When the run began.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>Whether it reads everything, not changes alone.</summary>
    public required bool IsWhole { get; init; }

    /// <summary>What it searches; see <see cref="KnownResources.Scope"/>.</summary>
    public required ulong Scope { get; init; }

    /// <summary>Whether a bulk export brings what is read.</summary>
    public bool IsBulk { get; init; }

    /// <summary>Which of the type's searches is under way.</summary>
    public int Search { get; init; }

    /// <summary>The EHR's link to the page that comes next; null: the first one of the search.</summary>
    public string? Next { get; init; }

    /// <summary>Pages of the search that were read.</summary>
    public int Page { get; init; }

    /// <summary>How often a search of this run had to begin again.</summary>
    public int Expiries { get; init; }

    /// <summary>The latest change that the EHR has dated so far.</summary>
    public DateTimeOffset? Newest { get; init; }

    /// <summary>What the EHR said of the searches that are over; null: of one of them it said nothing.</summary>
    public int? Said { get; init; } = 0;

    /// <summary>Matches of the searches that are over.</summary>
    public int Matches { get; init; }

    /// <summary>What it said of this one.</summary>
    public int? SearchSaid { get; init; }

    /// <summary>Matches of this one.</summary>
    public int SearchMatches { get; init; }

    /// <summary>Whether something is known to be missing.</summary>
    public bool IsIncomplete { get; init; }

    internal byte[] Write() => JsonSerializer.SerializeToUtf8Bytes(this);

    internal static CursorPosition? Read(byte[]? bytes) => bytes is null ? null : JsonSerializer.Deserialize<CursorPosition>(bytes);
}

/// <summary>What one commit adds to what a run has seen.</summary>
internal static class SeenPart
{
    internal static byte[] Write(IReadOnlyCollection<KeyValuePair<string, UInt128>> seen, IReadOnlyCollection<string> referred)
    {
        using var stream = new MemoryStream(16 + (seen.Count * 60) + (referred.Count * 40));
        using var writer = new BinaryWriter(stream);
        writer.Write(seen.Count);
        foreach (var (id, hash) in seen)
        {
            writer.Write(id);
            KnownResources.WriteHash(writer, hash);
        }

        writer.Write(referred.Count);
        foreach (var id in referred)
        {
            writer.Write(id);
        }

        return stream.ToArray();
    }

    internal static void Read(byte[] part, Dictionary<string, UInt128> seen, HashSet<string> referred)
    {
        using var reader = new BinaryReader(new MemoryStream(part, writable: false));
        for (var count = reader.ReadInt32(); count > 0; count--)
        {
            seen[reader.ReadString()] = KnownResources.ReadHash(reader);
        }

        for (var count = reader.ReadInt32(); count > 0; count--)
        {
            referred.Add(reader.ReadString());
        }
    }
}

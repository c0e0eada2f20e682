namespace EhrGrains.Grains.Sync;

/// <summary>What is known of a resource that was copied.</summary>
/// <param name="Hash">Of its content.</param>
/// <param name="Absences">In how many full readings, one after the other, it was missing.</param>
/// <param name="IsHydrated">Whether it was read by its id, so that a search need not find it.</param>
internal readonly record struct KnownResource(UInt128 Hash, byte Absences, bool IsHydrated);

/// <summary>What was copied of one patient and type, by id. Kept sealed with the cursor.</summary>
internal sealed class KnownResources
{
    private const byte Version = 1;

    /// <summary>The most resources of one type and patient.</summary>
    internal const int CountMax = 200_000;

    internal Dictionary<string, KnownResource> ById { get; } = new(StringComparer.Ordinal);

    /// <summary>When everything was read last; null: never.</summary>
    internal DateTimeOffset? WholeAt { get; set; }

    /// <summary>What was searched then: where it is another search now, what is missing is not thereby gone.</summary>
    internal ulong Scope { get; set; }

    internal byte[] Write()
    {
        using var stream = new MemoryStream(32 + (ById.Count * 60));
        using var writer = new BinaryWriter(stream);
        writer.Write(Version);
        writer.Write(WholeAt?.UtcTicks ?? 0);
        writer.Write(Scope);
        writer.Write(ById.Count);
        foreach (var (id, known) in ById)
        {
            writer.Write(id);
            WriteHash(writer, known.Hash);
            writer.Write(known.Absences);
            writer.Write(known.IsHydrated);
        }

        return stream.ToArray();
    }

    internal static KnownResources Read(byte[]? bytes)
    {
        var known = new KnownResources();
        if (bytes is null)
        {
            return known;
        }

        using var reader = new BinaryReader(new MemoryStream(bytes, writable: false));
        if (reader.ReadByte() != Version)
        {
            // Of another release: everything is read anew.
            return known;
        }

        known.WholeAt = reader.ReadInt64() is > 0 and var ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;
        known.Scope = reader.ReadUInt64();
        for (var count = reader.ReadInt32(); count > 0; count--)
        {
            known.ById[reader.ReadString()] = new KnownResource(ReadHash(reader), reader.ReadByte(), reader.ReadBoolean());
        }

        return known;
    }

    internal static void WriteHash(BinaryWriter writer, UInt128 hash)
    {
        writer.Write(unchecked((ulong)hash));
        writer.Write((ulong)(hash >> 64));
    }

    internal static UInt128 ReadHash(BinaryReader reader)
    {
        var low = reader.ReadUInt64();
        return new UInt128(reader.ReadUInt64(), low);
    }
}

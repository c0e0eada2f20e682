using System.Buffers;
using System.Globalization;
using System.Text.Json;

namespace EhrGrains.Fhir.Records;

/// <summary>What a version's <c>meta</c> says of it.</summary>
/// <param name="Version">meta.versionId.</param>
/// <param name="LastUpdated">meta.lastUpdated.</param>
/// <param name="Source">meta.source: the message or page that it came from.</param>
public readonly record struct VersionStamp(int Version, DateTimeOffset LastUpdated, string Source);

/// <summary>
/// Lays a resource that says part of the truth over the one that is there, as UTF-8 and by top-level elements: what it has replaces,
/// what it has not stays (HL7 v2.9 §2.5.3). Identifiers and extensions are laid over one by one, so that a laboratory's message, which
/// knows one number of a patient, does not take the others away. Pure, thread-safe.
/// </summary>
public static class ResourceOverlay
{
    /// <summary>The new content with its stamp; null when nothing new is said.</summary>
    /// <param name="type">The resource type.</param>
    /// <param name="current">What is there; empty: nothing.</param>
    /// <param name="said">What is said.</param>
    /// <param name="deleted">Elements to take away.</param>
    /// <param name="fillOnly">Whether it only adds what is missing, being older than what is there.</param>
    /// <param name="stamp">The new version's.</param>
    public static byte[]? Lay(
        string type, ReadOnlyMemory<byte> current, ReadOnlyMemory<byte> said, IReadOnlyList<string> deleted, bool fillOnly, VersionStamp stamp)
    {
        if (deleted.Count == 0 && IsSaid(current.Span, said.Span))
        {
            return null;
        }

        var before = current.IsEmpty ? [] : ResourceMember.Read(type, current);
        var now = ResourceMember.Read(type, said);
        var laid = Merge(before, now, deleted, fillOnly);
        return before.Count > 0 && IsSame(before, laid) ? null : Write(laid, stamp);
    }

    /// <summary>What is said in place of what is there, with its stamp; null when it is the same, but for the stamp.</summary>
    /// <param name="type">The resource type.</param>
    /// <param name="current">What is there; empty: nothing.</param>
    /// <param name="said">What is said, all of it.</param>
    /// <param name="stamp">The new version's.</param>
    public static byte[]? Replace(string type, ReadOnlyMemory<byte> current, ReadOnlyMemory<byte> said, VersionStamp stamp)
    {
        var before = current.IsEmpty ? [] : ResourceMember.Read(type, current);
        var now = InOrder(ResourceMember.Read(type, said));
        return before.Count > 0 && IsSame(before, now) ? null : Write(now, stamp);
    }

    /// <summary>The same content as another version.</summary>
    public static byte[] Restamp(string type, ReadOnlyMemory<byte> content, VersionStamp stamp) => Write(InOrder(ResourceMember.Read(type, content)), stamp);

    /// <summary>meta.source of a stored resource; null: it has none.</summary>
    public static string? SourceOf(ReadOnlyMemory<byte> content)
    {
        var reader = new Utf8JsonReader(content.Span);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 2 && reader.ValueTextEquals("source"u8))
            {
                reader.Read();
                return reader.GetString();
            }

            if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1 && !reader.ValueTextEquals("meta"u8))
            {
                reader.Skip();
            }
        }

        return null;
    }

    /// <summary>
    /// Whether what is there has every member of what is said, byte by byte and in the same order: most messages repeat most of what
    /// they said before, and this finds it out without taking anything apart. False says nothing.
    /// </summary>
    private static bool IsSaid(ReadOnlySpan<byte> current, ReadOnlySpan<byte> said)
    {
        if (current.IsEmpty)
        {
            return false;
        }

        var there = new Utf8JsonReader(current);
        var wanted = new Utf8JsonReader(said);
        there.Read();
        wanted.Read();
        while (wanted.Read() && wanted.TokenType == JsonTokenType.PropertyName)
        {
            var name = wanted.ValueSpan;
            var value = Value(said, ref wanted);
            var found = false;
            while (!found && there.Read() && there.TokenType == JsonTokenType.PropertyName)
            {
                var isIt = there.ValueSpan.SequenceEqual(name);
                var has = Value(current, ref there);
                if (isIt && !has.SequenceEqual(value))
                {
                    return false;
                }

                found = isIt;
            }

            if (!found)
            {
                return false;
            }
        }

        return true;
    }

    private static ReadOnlySpan<byte> Value(ReadOnlySpan<byte> json, ref Utf8JsonReader reader)
    {
        reader.Read();
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return json[start..(int)reader.BytesConsumed];
    }

    private static List<ResourceMember> Merge(
        List<ResourceMember> before, List<ResourceMember> now, IReadOnlyList<string> deleted, bool fillOnly)
    {
        var had = before.Select(member => member.Element).ToHashSet(StringComparer.Ordinal);
        var says = now.Select(member => member.Element).ToHashSet(StringComparer.Ordinal);
        var laid = new List<ResourceMember>(before.Count + now.Count);
        foreach (var member in before)
        {
            if (!fillOnly && deleted.Contains(member.Element, StringComparer.Ordinal) && member.Order >= 0)
            {
                continue;
            }

            if (member.IsUnited && says.Contains(member.Element))
            {
                laid.Add(ElementUnion.Of(member, now.First(said => said.Name == member.Name), fillOnly));
            }
            else if (fillOnly || !says.Contains(member.Element))
            {
                laid.Add(member);
            }
        }

        foreach (var member in now)
        {
            if (!had.Contains(member.Element) || (!fillOnly && !member.IsUnited))
            {
                laid.Add(member);
            }
        }

        return InOrder(laid);
    }

    /// <summary>In R4's order, and stable: members of one element (a value and its extensions) stay together as they came.</summary>
    private static List<ResourceMember> InOrder(List<ResourceMember> members) => [.. members.OrderBy(member => member.Order)];

    private static bool IsSame(List<ResourceMember> before, List<ResourceMember> laid) =>
        before.Count == laid.Count && before.Zip(laid).All(pair =>
            pair.First.Name == pair.Second.Name
            && (pair.First.Name == "meta" ? SameMeta(pair.First.Value, pair.Second.Value) : pair.First.Value.Span.SequenceEqual(pair.Second.Value.Span)));

    private static bool SameMeta(ReadOnlyMemory<byte> before, ReadOnlyMemory<byte> laid)
    {
        var (one, other) = (OwnMeta(before), OwnMeta(laid));
        return one.Count == other.Count && one.Zip(other).All(pair =>
            pair.First.Name == pair.Second.Name && pair.First.Value.Span.SequenceEqual(pair.Second.Value.Span));
    }

    /// <summary>What meta says beyond the stamp: profiles, tags, security labels.</summary>
    private static List<ResourceMember> OwnMeta(ReadOnlyMemory<byte> meta) =>
        meta.IsEmpty ? [] : [.. ResourceMember.Read("Meta", meta).Where(member => member.Element is not ("versionId" or "lastUpdated" or "source"))];

    private static byte[] Write(List<ResourceMember> members, VersionStamp stamp)
    {
        var buffer = new ArrayBufferWriter<byte>(members.Sum(member => member.Name.Length + member.Value.Length + 4) + 160);
        using var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true });
        writer.WriteStartObject();
        var meta = members.FirstOrDefault(member => member.Name == "meta").Value;
        var stamped = false;
        foreach (var member in members.Where(member => member.Name != "meta"))
        {
            if (!stamped && member.Element is not ("resourceType" or "id"))
            {
                WriteMeta(writer, meta, stamp);
                stamped = true;
            }

            writer.WritePropertyName(member.Name);
            writer.WriteRawValue(member.Value.Span, skipInputValidation: true);
        }

        if (!stamped)
        {
            WriteMeta(writer, meta, stamp);
        }

        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteMeta(Utf8JsonWriter writer, ReadOnlyMemory<byte> meta, VersionStamp stamp)
    {
        writer.WriteStartObject("meta"u8);
        writer.WriteString("versionId"u8, stamp.Version.ToString(CultureInfo.InvariantCulture));
        writer.WriteString("lastUpdated"u8, stamp.LastUpdated.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture));
        writer.WriteString("source"u8, stamp.Source);
        foreach (var member in OwnMeta(meta))
        {
            writer.WritePropertyName(member.Name);
            writer.WriteRawValue(member.Value.Span, skipInputValidation: true);
        }

        writer.WriteEndObject();
    }
}

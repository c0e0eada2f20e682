using System.Buffers;
using System.Text.Json;

namespace EhrGrains.Fhir.Records;

/// <summary>Lays lists over each other item by item: identifiers by system and value, extensions by URL.</summary>
internal static class ElementUnion
{
    internal static ResourceMember Of(ResourceMember before, ResourceMember said, bool fillOnly)
    {
        // Most messages repeat the numbers that they gave before.
        if (before.Value.Span.SequenceEqual(said.Value.Span))
        {
            return before;
        }

        var had = ResourceMember.Items(before.Value);
        var says = ResourceMember.Items(said.Value).GroupBy(KeyOf, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.ToList());
        var hadKeys = had.Select(KeyOf).ToHashSet(StringComparer.Ordinal);
        var laid = new List<ReadOnlyMemory<byte>>(had.Count + says.Count);
        foreach (var item in had)
        {
            var key = KeyOf(item);
            if (fillOnly || !says.TryGetValue(key, out var items))
            {
                laid.Add(item);
            }
            else
            {
                // The first of its key makes room for all that are said; the others of it are gone.
                laid.AddRange(items);
                items.Clear();
            }
        }

        laid.AddRange(says.Where(group => !hadKeys.Contains(group.Key)).SelectMany(group => group.Value));
        return before with { Value = Write(laid) };
    }

    private static string KeyOf(ReadOnlyMemory<byte> item)
    {
        string system = "", value = "";
        foreach (var member in ResourceMember.Read("Identifier", item))
        {
            switch (member.Name)
            {
                case "system" or "url":
                    system = ReadString(member.Value);
                    break;
                case "value":
                    value = ReadString(member.Value);
                    break;
            }
        }

        return $"{system}|{value}";
    }

    private static string ReadString(ReadOnlyMemory<byte> value)
    {
        var reader = new Utf8JsonReader(value.Span);
        return reader.Read() && reader.TokenType == JsonTokenType.String ? reader.GetString()! : "";
    }

    private static byte[] Write(List<ReadOnlyMemory<byte>> items)
    {
        var buffer = new ArrayBufferWriter<byte>(items.Sum(item => item.Length + 1) + 2);
        buffer.Write("["u8);
        foreach (var (index, item) in items.Index())
        {
            if (index > 0)
            {
                buffer.Write(","u8);
            }

            buffer.Write(item.Span);
        }

        buffer.Write("]"u8);
        return buffer.WrittenSpan.ToArray();
    }
}

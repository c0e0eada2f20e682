using System.Text.Json;

namespace EhrGrains.Fhir.Records;

/// <summary>A member of a JSON object: its name, its value as it is written, and the element that R4 says it is of.</summary>
internal readonly record struct ResourceMember(string Name, string Element, int Order, bool IsList, ReadOnlyMemory<byte> Value)
{
    /// <summary>Whether its items are laid over one by one.</summary>
    internal bool IsUnited => IsList && Name is "identifier" or "extension";

    /// <summary>The members of an object, in order.</summary>
    internal static List<ResourceMember> Read(string type, ReadOnlyMemory<byte> json)
    {
        var members = new List<ResourceMember>(16);
        var reader = new Utf8JsonReader(json.Span);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            var place = ElementOrder.Of(type, name);
            members.Add(new ResourceMember(name, place.Element, place.Order, place.IsList, json[start..(int)reader.BytesConsumed]));
        }

        return members;
    }

    /// <summary>The items of a list.</summary>
    internal static List<ReadOnlyMemory<byte>> Items(ReadOnlyMemory<byte> list)
    {
        var items = new List<ReadOnlyMemory<byte>>();
        var reader = new Utf8JsonReader(list.Span);
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            items.Add(list[start..(int)reader.BytesConsumed]);
        }

        return items;
    }
}

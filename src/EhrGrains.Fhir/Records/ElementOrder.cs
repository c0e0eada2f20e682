using System.Collections.Concurrent;
using Hl7.Fhir.Introspection;
using Hl7.Fhir.Model;

namespace EhrGrains.Fhir.Records;

/// <summary>Which element a member of a resource belongs to, and where it stands, by R4's own definitions. Thread-safe.</summary>
internal static class ElementOrder
{
    /// <summary>Names that are kept; what R4 has is some 4,000 (type, member) pairs, what it has not is not kept.</summary>
    private static readonly ConcurrentDictionary<(string Type, string Member), Place> Known = new();

    /// <summary>
    /// The element of a member: <c>deceasedBoolean</c> and <c>_deceasedDateTime</c> are both of <c>deceased</c>, of which a resource has
    /// one choice (FHIR R4 §2.6.2.3). A member that R4 does not know is an element of its own, at the end.
    /// </summary>
    internal static Place Of(string type, string member)
    {
        if (Known.TryGetValue((type, member), out var place))
        {
            return place;
        }

        var name = member.StartsWith('_') ? member[1..] : member;
        if (name == "resourceType")
        {
            return new Place(name, -1, false);
        }

        var mapping = ModelInfo.ModelInspector.FindClassMapping(type);
        var property = mapping?.FindMappedElementByName(name) ?? mapping?.FindMappedElementByChoiceName(name);
        return property is null ? new Place(name, int.MaxValue, false) : Keep(type, member, property);
    }

    private static Place Keep(string type, string member, PropertyMapping property) =>
        Known.GetOrAdd((type, member), new Place(property.Name, property.Order ?? int.MaxValue, property.IsCollection));

    /// <param name="Element">The element's name.</param>
    /// <param name="Order">Its place among the type's elements.</param>
    /// <param name="IsList">Whether it repeats.</param>
    internal readonly record struct Place(string Element, int Order, bool IsList);
}

using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Text.Json;
using Hl7.Fhir.Introspection;
using Hl7.Fhir.Model;

namespace EhrGrains.Fhir.V2.Compiling;

/// <summary>An element of a FHIR type, as R4 has it. A choice is an element for each of its types, all of one <see cref="Order"/>.</summary>
internal sealed class FhirElement(string name, PropertyMapping property, ClassMapping type)
{
    private FhirType? own;

    internal string Name => name;

    /// <summary>Its place among the elements of its type: JSON is written in this order.</summary>
    internal int Order { get; } = property.Order ?? 0;

    internal bool IsList { get; } = property.IsCollection;

    internal bool IsMandatory { get; } = property.IsMandatoryElement;

    internal JsonEncodedText JsonName { get; } = JsonEncodedText.Encode(name);

    /// <summary>Where id and extensions of a primitive stand.</summary>
    internal JsonEncodedText JsonShadowName { get; } = JsonEncodedText.Encode("_" + name);

    /// <summary>The codes that are allowed where a value set is required; null: any.</summary>
    internal FrozenSet<string>? Codes { get; } = CodesOf(property);

    // Types hold each other: a type is looked up when it is first asked for.
    internal FhirType Type => own ??= FhirTypes.Of(type);

    private static FrozenSet<string>? CodesOf(PropertyMapping property)
    {
        var type = property.ImplementingType;
        return type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Code<>)
            && ModelInfo.ModelInspector.FindEnumMapping(type.GetGenericArguments()[0]) is { } codes
            ? codes.Members.Values.Select(member => member.Code).ToFrozenSet(StringComparer.Ordinal)
            : null;
    }
}

/// <summary>A FHIR type: a resource, a data type, a primitive, or the inside of an element (<c>Patient.contact</c>).</summary>
internal sealed class FhirType
{
    internal FhirType(ClassMapping mapping)
    {
        Name = mapping.Name;
        IsResource = mapping.IsResource;
        IsPrimitive = mapping.IsFhirPrimitive;
        var elements = new Dictionary<string, FhirElement>(StringComparer.Ordinal);
        foreach (var property in mapping.PropertyMappings)
        {
            if (IsPrimitive && property.Name == "value")
            {
                continue;
            }

            foreach (var element in Expand(property))
            {
                elements.TryAdd(element.Name, element);
            }
        }

        Elements = elements.ToFrozenDictionary(StringComparer.Ordinal);
        Mandatory = [.. elements.Values.Where(element => element.IsMandatory).DistinctBy(element => element.Order)];
    }

    internal string Name { get; }

    internal bool IsResource { get; }

    internal bool IsPrimitive { get; }

    internal FrozenDictionary<string, FhirElement> Elements { get; }

    internal FhirElement[] Mandatory { get; }

    internal FhirElement this[string element] => Elements[element];

    private static IEnumerable<FhirElement> Expand(PropertyMapping property)
    {
        if (property.Choice == ChoiceType.DatatypeChoice)
        {
            foreach (var type in property.FhirType)
            {
                if (ModelInfo.ModelInspector.FindClassMapping(type) is { } choice)
                {
                    yield return new FhirElement(property.Name + char.ToUpperInvariant(choice.Name[0]) + choice.Name[1..], property, choice);
                }
            }
        }
        else if (property.PropertyTypeMapping is { } own)
        {
            yield return new FhirElement(property.Name, property, own);
        }
    }
}

/// <summary>The types of R4, out of Firely's metadata; each made when first asked for.</summary>
internal static class FhirTypes
{
    private static readonly ConcurrentDictionary<ClassMapping, FhirType> Made = new();

    internal static FhirType? Find(string name) => ModelInfo.ModelInspector.FindClassMapping(name) is { } mapping ? Of(mapping) : null;

    internal static FhirType Of(ClassMapping mapping) => Made.GetOrAdd(mapping, static made => new FhirType(made));

    /// <summary>A type or the inside of an element, such as <c>Patient.contact</c>.</summary>
    internal static FhirType? FindPath(string path)
    {
        var names = path.Split('.');
        var type = Find(names[0]);
        foreach (var name in names.Skip(1))
        {
            type = type?.Elements.GetValueOrDefault(name)?.Type;
        }

        return type;
    }
}

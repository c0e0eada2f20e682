using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Types;

/// <summary>
/// The parts of a composite value. A type stands in a field, where its parts are components, or in a component of another type,
/// where they are subcomponents (HL7 v2.5.1 §2.7): CX.4 is an HD of subcomponents.
/// </summary>
internal readonly ref struct Composite(Hl7Value value, bool isNested)
{
    private readonly Hl7Value value = value;

    internal Hl7Value this[int number] => isNested ? value.Subcomponent(number) : value.Component(number);
}

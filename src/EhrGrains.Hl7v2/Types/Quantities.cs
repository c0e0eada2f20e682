using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Types;

/// <summary>DR: from and to (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field, repetition or component.</param>
/// <param name="isNested">True when it is a component of another type, so that its own parts are subcomponents.</param>
public readonly ref struct Dr(Hl7Value value, bool isNested = false)
{
    private readonly Composite parts = new(value, isNested);

    /// <summary>DR.1: from.</summary>
    public Hl7Value Start => parts[1];

    /// <summary>DR.2: to.</summary>
    public Hl7Value End => parts[2];
}

/// <summary>CQ: a quantity with its unit (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field, repetition or component.</param>
/// <param name="isNested">True when it is a component of another type, so that its own parts are subcomponents.</param>
public readonly ref struct Cq(Hl7Value value, bool isNested = false)
{
    private readonly Composite parts = new(value, isNested);

    /// <summary>CQ.1: how many.</summary>
    public Hl7Value Quantity => parts[1];

    /// <summary>CQ.2: of what.</summary>
    public Hl7Value Unit => parts[2];
}

/// <summary>RI: a repeat interval (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field, repetition or component.</param>
/// <param name="isNested">True when it is a component of another type, so that its own parts are subcomponents.</param>
public readonly ref struct Ri(Hl7Value value, bool isNested = false)
{
    private readonly Composite parts = new(value, isNested);

    /// <summary>RI.1: the repeat pattern (table 0335), for example Q6H.</summary>
    public Hl7Value Pattern => parts[1];

    /// <summary>RI.2: the times of day.</summary>
    public Hl7Value Explicit => parts[2];
}

/// <summary>TQ: quantity and timing of an order, before 2.5 (HL7 v2.5.1 chapter 2.A).</summary>
/// <param name="value">A field or repetition.</param>
public readonly ref struct Tq(Hl7Value value)
{
    private readonly Composite parts = new(value, isNested: false);

    /// <summary>TQ.1: how much at a time.</summary>
    public Cq Quantity => new(parts[1], isNested: true);

    /// <summary>TQ.2: how often.</summary>
    public Ri Interval => new(parts[2], isNested: true);

    /// <summary>TQ.3: how long, for example X10.</summary>
    public Hl7Value Duration => parts[3];

    /// <summary>TQ.4: from.</summary>
    public Hl7Value Start => parts[4];

    /// <summary>TQ.5: to.</summary>
    public Hl7Value End => parts[5];

    /// <summary>TQ.6: S stat, A as soon as possible, R routine, ….</summary>
    public Hl7Value Priority => parts[6];

    /// <summary>TQ.7: when it is given as needed.</summary>
    public Hl7Value Condition => parts[7];

    /// <summary>TQ.8: the whole in words.</summary>
    public Hl7Value Text => parts[8];

    /// <summary>TQ.9: S one after another, A at the same time.</summary>
    public Hl7Value Conjunction => parts[9];

    /// <summary>TQ.10: its place among others.</summary>
    public Hl7Value OrderSequencing => parts[10];

    /// <summary>TQ.11: how long each time.</summary>
    public Cwe OccurrenceDuration => new(parts[11], isNested: true);

    /// <summary>TQ.12: how many times.</summary>
    public Hl7Value TotalOccurrences => parts[12];
}

namespace EhrGrains.Fhir.V2;

/// <summary>What became of every populated part of a message, and what every rule found. Holds places, rules and elements, never values.</summary>
/// <param name="Parts">Every populated field, component and subcomponent, in the order of the message.</param>
/// <param name="Steps">Every rule that was tried, in order.</param>
public sealed record Accounting(IReadOnlyList<AccountedPart> Parts, IReadOnlyList<RuleStep> Steps);

/// <summary>A populated part of a message.</summary>
/// <param name="Location">Where: <c>PID-3[2].4.1</c>.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Uses">What was made of it: elements for <see cref="PartOutcome.Mapped"/>, the reason for <see cref="PartOutcome.Ignored"/>; each with its rule.</param>
public sealed record AccountedPart(string Location, PartOutcome Outcome, PartUse[] Uses);

/// <summary>One use of a part.</summary>
/// <param name="Rule">The rule's file and line: <c>adt.rules:12</c>.</param>
/// <param name="Text">The element that it went to, or the reason why it was ignored.</param>
public sealed record PartUse(string Rule, string Text);

/// <summary>What became of a part.</summary>
public enum PartOutcome
{
    /// <summary>An element of a resource holds it, or was decided by it.</summary>
    Mapped,

    /// <summary>An extension of a resource holds it.</summary>
    Extension,

    /// <summary>A rule says why it is not needed.</summary>
    Ignored,

    /// <summary>It is in the list of exceptions.</summary>
    Exception,
}

/// <summary>A rule that was tried.</summary>
/// <param name="Rule">Its file and line.</param>
/// <param name="Source">Where it looked.</param>
/// <param name="Element">The element that it fills, from the resource on: <c>Patient.birthDate</c>.</param>
/// <param name="Segment">The segment that it was tried for: <c>PID</c>, <c>OBX[3]</c>.</param>
/// <param name="Finding">What it found.</param>
public sealed record RuleStep(string Rule, string Source, string Element, string Segment, RuleFinding Finding);

/// <summary>What a rule found.</summary>
public enum RuleFinding
{
    /// <summary>A value, and wrote it.</summary>
    Written,

    /// <summary>Nothing where it looked.</summary>
    Empty,

    /// <summary><c>""</c>: the value is to be deleted.</summary>
    Deleted,

    /// <summary>Its condition does not hold.</summary>
    NotNow,

    /// <summary>A value that cannot be written; there is an exception.</summary>
    Refused,

    /// <summary>A value, where another rule had written one.</summary>
    AlreadySet,

    /// <summary>No resource of the name that it refers to.</summary>
    NoResource,
}

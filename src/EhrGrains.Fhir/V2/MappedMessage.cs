namespace EhrGrains.Fhir.V2;

/// <summary>What a message becomes.</summary>
/// <param name="Resources">The resources, each at most once, in the order in which the message brings them up.</param>
/// <param name="Exceptions">What could not be mapped as it was said, by place; never holds a value.</param>
/// <param name="Accounting">What became of every part of the message; null unless <see cref="MappingContext.Explain"/>.</param>
public sealed record MappedMessage(IReadOnlyList<MappedResource> Resources, IReadOnlyList<MappingException> Exceptions, Accounting? Accounting)
{
    /// <summary>The Bundle that the message is, without its entries.</summary>
    internal ReadOnlyMemory<byte> Envelope { get; init; }
}

/// <summary>A resource made of a message, or what the message says of one: elements that are not there are unchanged (HL7 v2.5.1 §2.5.3).</summary>
/// <param name="Patient">Whose it is: the position of the mention in <see cref="PatientMentions"/>; -1 for a resource about the message itself (MessageHeader, Provenance).</param>
/// <param name="Type">The resource type.</param>
/// <param name="Id">The logical id: the same for the same thing, message after message.</param>
/// <param name="Json">The resource as UTF-8, elements in the order of the specification.</param>
/// <param name="Deleted">Top-level elements that the message deletes by <c>""</c>.</param>
public sealed record MappedResource(int Patient, string Type, string Id, ReadOnlyMemory<byte> Json, IReadOnlyList<string> Deleted);

/// <summary>Something that a person should look at. Never stops a message.</summary>
/// <param name="Kind">One of <see cref="MappingExceptionKinds"/>.</param>
/// <param name="Location">Where, as the standard writes it: <c>PID-8</c>, <c>OBX[3]-5</c>.</param>
/// <param name="Message">What is wrong and what to do about it. Never a value of the message.</param>
public sealed record MappingException(string Kind, string Location, string Message);

/// <summary>The kinds of <see cref="MappingException"/>: few, so that they can be counted by kind.</summary>
public static class MappingExceptionKinds
{
    /// <summary>A code that the table has not and the site layer does not map.</summary>
    public const string UnknownCode = "unknown-code";

    /// <summary>A date or time that is none.</summary>
    public const string ImpossibleDate = "impossible-date";

    /// <summary>A value that FHIR does not allow where it belongs: a number that is none, a URI with blanks.</summary>
    public const string WrongValue = "wrong-value";

    /// <summary>A field that repeats where FHIR has room for one value.</summary>
    public const string TooMany = "too-many-values";

    /// <summary>An element that FHIR requires and the message does not have: written as absent.</summary>
    public const string RequiredMissing = "required-missing";

    /// <summary>A segment that no patient can be found for.</summary>
    public const string NoPatient = "no-patient";

    /// <summary>A populated field or component that no rule maps, keeps or ignores.</summary>
    public const string UnmappedField = "unmapped-field";

    /// <summary>A segment that there are no rules for; a Z-segment needs rules of the site.</summary>
    public const string UnmappedSegment = "unmapped-segment";

    /// <summary>A bound of the mapping was reached.</summary>
    public const string TooLarge = "too-large";
}

/// <summary>What a mapping needs beside the message.</summary>
/// <param name="Identity">Makes the logical ids.</param>
/// <param name="Patients">The patient's id for each mention of <see cref="V2Mapping.ReadPatients"/>, in order.</param>
/// <param name="Source">Where the message came from, <c>feed/position</c>: makes ids for what has no identity of its own only when MSH-10 is empty.</param>
/// <param name="ReceivedAt">When it came: for what the message does not date.</param>
/// <param name="Explain">Whether to account for every part of the message. Costs time and memory.</param>
public sealed record MappingContext(ResourceIdentity Identity, IReadOnlyList<string> Patients, string Source, DateTimeOffset ReceivedAt, bool Explain = false)
{
    /// <summary>
    /// Whether to leave out what the message says of itself (MessageHeader, its own Provenance): a patient's record has no place for it,
    /// and names the message in meta.source.
    /// </summary>
    public bool OfPatientsOnly { get; init; }

    /// <summary>For a conversion without records: each patient has the id that its best identifier gives.</summary>
    public static MappingContext Offline(PatientMentions mentions, string source, bool explain = false)
    {
        var identity = ResourceIdentity.Offline;
        return new MappingContext(
            identity,
            [.. mentions.Patients.Select((patient, index) => identity.IdOf("Patient", patient.Identifiers.FirstOrDefault(identifier => identifier.Of == IdentifierOf.Patient) is { } best
                ? $"{best.System ?? best.Authority}|{best.Value}"
                : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{source}|{index}")))],
            source, DateTimeOffset.UnixEpoch, explain);
    }
}

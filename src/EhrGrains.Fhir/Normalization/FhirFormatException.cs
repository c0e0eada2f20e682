namespace EhrGrains.Fhir.Normalization;

/// <summary>Why bytes are not what a FHIR server answers with.</summary>
public enum FhirFormatReason
{
    /// <summary>Not JSON, for example an HTML error page.</summary>
    NotJson,

    /// <summary>JSON, but not an object.</summary>
    NotAnObject,

    /// <summary>The text ends inside a value.</summary>
    Truncated,

    /// <summary>Something follows the resource.</summary>
    TrailingData,

    /// <summary>Not UTF-8, or an escape that stands for no character.</summary>
    InvalidText,

    /// <summary>Nested deeper than <see cref="Normalizer.DepthMax"/>.</summary>
    TooDeep,

    /// <summary>An object has one property twice: which of the two a reader takes is chance.</summary>
    DuplicateProperty,

    /// <summary>An object has more properties than <see cref="Normalizer.PropertiesMax"/>.</summary>
    TooManyProperties,

    /// <summary>No <c>resourceType</c>, or not a name.</summary>
    NoResourceType,

    /// <summary>A resource of another type than was asked for.</summary>
    WrongResourceType,

    /// <summary>A Bundle, but not a searchset.</summary>
    NotASearchset,

    /// <summary>A member that must be known has another JSON type than FHIR gives it, for example an <c>id</c> that is a number.</summary>
    WrongJsonType,

    /// <summary>More entries than <see cref="Normalizer.EntriesMax"/>.</summary>
    TooManyEntries,

    /// <summary>The page concerns more patients than <see cref="Normalizer.PatientsMax"/>.</summary>
    TooManyPatients,
}

/// <summary>
/// Bytes that are not the FHIR that was expected. Says where and why, never what: the content may be PHI.
/// </summary>
public sealed class FhirFormatException : Exception
{
    internal FhirFormatException(FhirFormatReason reason, long position)
        : base($"Not the FHIR that was expected at byte {position}: {reason}.")
    {
        Reason = reason;
        Position = position;
    }

    /// <summary>Why.</summary>
    public FhirFormatReason Reason { get; }

    /// <summary>Where: the offset in bytes from the start of the input.</summary>
    public long Position { get; }
}

namespace EhrGrains.Fhir.Normalization;

/// <summary>The members that rules look at.</summary>
internal enum Member : byte
{
    None,
    Meta,
    Tags,
    MetaExtension,
    Identifier,
    IdentifierType,
    IdentifierValue,
    TypeText,
    TypeCoding,
    Class,
    Reference,
    System,
    TagSystem,
    Url,
    SearchMode,
    Id,
    Source,
    VersionId,
    LastUpdated,
    Security,
    MaskedValue,
    PatientLink,
    LinkType,
    Active,
    Subject,
    SubjectReference,
}

internal static class Members
{
    /// <summary>Whether the pass depends on the member being a string.</summary>
    internal static bool IsString(Member member) => member is Member.Id or Member.Source or Member.VersionId or Member.LastUpdated;

    internal static Member Classify(Kind kind, ReadOnlySpan<byte> name) => kind switch
    {
        Kind.Resource => InResource(name),
        Kind.Meta => InMeta(name),
        Kind.MetaTag => name.SequenceEqual("system"u8) ? Member.TagSystem : Member.None,
        Kind.Identifier => InIdentifier(name),
        Kind.IdentifierType => InIdentifierType(name),
        Kind.MetaSecurity => name.SequenceEqual("code"u8) ? Member.Security : Anywhere(name),
        Kind.Subject => name.SequenceEqual("reference"u8) ? Member.SubjectReference : Anywhere(name),
        Kind.PatientLink => name.SequenceEqual("type"u8) ? Member.LinkType : Anywhere(name),
        Kind.Search => name.SequenceEqual("mode"u8) ? Member.SearchMode : Member.None,
        _ => Anywhere(name),
    };

    private static Member InResource(ReadOnlySpan<byte> name) => name.Length switch
    {
        2 when name.SequenceEqual("id"u8) => Member.Id,
        4 when name.SequenceEqual("meta"u8) => Member.Meta,
        4 when name.SequenceEqual("link"u8) => Member.PatientLink,
        6 when name.SequenceEqual("active"u8) => Member.Active,
        5 when name.SequenceEqual("class"u8) => Member.Class,
        7 when name.SequenceEqual("subject"u8) || name.SequenceEqual("patient"u8) => Member.Subject,
        11 when name.SequenceEqual("beneficiary"u8) => Member.Subject,
        _ => Anywhere(name),
    };

    private static Member InMeta(ReadOnlySpan<byte> name) => name.Length switch
    {
        3 when name.SequenceEqual("tag"u8) => Member.Tags,
        6 when name.SequenceEqual("source"u8) => Member.Source,
        8 when name.SequenceEqual("security"u8) => Member.Security,
        9 when name.SequenceEqual("versionId"u8) => Member.VersionId,
        9 when name.SequenceEqual("extension"u8) => Member.MetaExtension,
        11 when name.SequenceEqual("lastUpdated"u8) => Member.LastUpdated,
        _ => Member.None,
    };

    private static Member InIdentifier(ReadOnlySpan<byte> name) => name.Length switch
    {
        4 when name.SequenceEqual("type"u8) => Member.IdentifierType,
        5 when name.SequenceEqual("value"u8) => Member.IdentifierValue,
        6 when name.SequenceEqual("_value"u8) => Member.MaskedValue,
        _ => Anywhere(name),
    };

    private static Member InIdentifierType(ReadOnlySpan<byte> name) => name.Length switch
    {
        4 when name.SequenceEqual("text"u8) => Member.TypeText,
        6 when name.SequenceEqual("coding"u8) => Member.TypeCoding,
        _ => Member.None,
    };

    private static Member Anywhere(ReadOnlySpan<byte> name) => name.Length switch
    {
        3 when name.SequenceEqual("url"u8) => Member.Url,
        6 when name.SequenceEqual("system"u8) => Member.System,
        9 when name.SequenceEqual("reference"u8) => Member.Reference,
        10 when name.SequenceEqual("identifier"u8) => Member.Identifier,
        _ => Member.None,
    };

    /// <summary>
    /// Whether an element is a text for people, by name: an Annotation's or a coded value's text, a string value, a comment. Markdown
    /// or plain is promised for all of them (FHIR R4 datatypes.html#string, #markdown).
    /// </summary>
    internal static bool IsProse(ReadOnlySpan<byte> name) => name.Length switch
    {
        4 => name.SequenceEqual("text"u8) || name.SequenceEqual("note"u8),
        7 => name.SequenceEqual("comment"u8),
        10 => name.SequenceEqual("conclusion"u8),
        11 => name.SequenceEqual("valueString"u8) || name.SequenceEqual("description"u8),
        18 => name.SequenceEqual("patientInstruction"u8),
        _ => false,
    };

    /// <summary>Whether an element is one of FHIR R4's of type dateTime or instant, by name: the type is not in the JSON.</summary>
    internal static bool IsTime(ReadOnlySpan<byte> name) =>
        name.EndsWith("DateTime"u8) || name.EndsWith("Instant"u8) || name.EndsWith("Date"u8)
        || name.Length switch
        {
            3 => name.SequenceEqual("end"u8),
            4 => name.SequenceEqual("date"u8) || name.SequenceEqual("sent"u8) || name.SequenceEqual("time"u8),
            5 => name.SequenceEqual("start"u8),
            6 => name.SequenceEqual("issued"u8),
            7 => name.SequenceEqual("created"u8),
            8 => name.SequenceEqual("recorded"u8) || name.SequenceEqual("authored"u8) || name.SequenceEqual("received"u8),
            10 => name.SequenceEqual("authoredOn"u8),
            12 => name.SequenceEqual("whenPrepared"u8) || name.SequenceEqual("lastModified"u8) || name.SequenceEqual("receivedTime"u8),
            14 => name.SequenceEqual("whenHandedOver"u8) || name.SequenceEqual("lastOccurrence"u8),
            _ => false,
        };
}

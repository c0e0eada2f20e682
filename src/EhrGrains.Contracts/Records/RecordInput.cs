using EhrGrains.Contracts.Feeds;

namespace EhrGrains.Contracts.Records;

/// <summary>How a version of a resource came about. The numbers are part of what is stored.</summary>
[GenerateSerializer, Alias("ehr.ChangeKind")]
public enum ChangeKind
{
    /// <summary>The first version.</summary>
    Created = 1,

    /// <summary>Another content.</summary>
    Updated = 2,

    /// <summary>There is no content any more.</summary>
    Deleted = 3,

    /// <summary>It moved with its patient, into another record or out of this one.</summary>
    Merged = 4,

    /// <summary>It moved back when a merge was undone.</summary>
    Unmerged = 5,
}

/// <summary>Where what a record holds came from.</summary>
/// <param name="Name"><c>{feed}</c> for a message of an inbound feed, <c>fhir</c> for what the EHR answered, else a word of our own.</param>
/// <param name="Position">The message's position in the feed's journal; 0 where there are no positions.</param>
/// <param name="Settled">
/// All messages of the feed up to this position were processed before: only of later ones does a record have to know one by one which it has.
/// </param>
[GenerateSerializer, Immutable, Alias("ehr.RecordSource")]
public readonly record struct RecordSource([property: Id(0)] string Name, [property: Id(1)] long Position, [property: Id(2)] long Settled = 0)
{
    /// <summary>The source of what the EHR's FHIR server answered.</summary>
    public static RecordSource Fhir => new("fhir", 0);

    /// <summary>A message of a feed.</summary>
    public static RecordSource Of(FeedId feed, long position, long settled) => new(feed.Value, position, settled);

    /// <summary>As it is stored and shown: <c>{feed}/{position}</c> or the name alone.</summary>
    public override string ToString() => Position == 0 ? Name : $"{Name}/{Position}";
}

/// <summary>
/// One resource to be laid over what the record has: top-level elements that it has replace, others stay (HL7 v2.9 §2.5.3: empty
/// is unchanged), those in <paramref name="Deleted"/> go.
/// </summary>
/// <param name="Type">The resource type.</param>
/// <param name="Id">Its logical id.</param>
/// <param name="Json">The resource as UTF-8 JSON.</param>
/// <param name="Deleted">Top-level elements that the message deletes (<c>""</c>); empty: none.</param>
[GenerateSerializer, Immutable, Alias("ehr.RecordResource")]
public sealed record RecordResource(
    [property: Id(0)] string Type, [property: Id(1)] string Id, [property: Id(2)] byte[] Json, [property: Id(3)] string[] Deleted)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Type}/{Id}";
}

/// <summary>What one message, or one page of the EHR, says about one patient.</summary>
[GenerateSerializer, Immutable, Alias("ehr.RecordInput")]
public sealed record RecordInput
{
    /// <summary>Where it came from. A message that a record has taken it does not take again.</summary>
    [Id(0)]
    public required RecordSource Source { get; init; }

    /// <summary>The resources.</summary>
    [Id(1)]
    public required RecordResource[] Resources { get; init; }

    /// <summary>
    /// True for a message that is mapped again or was put aside meanwhile: it may be older than what the record has from the same feed,
    /// and then adds what is missing and replaces nothing.
    /// </summary>
    [Id(2)]
    public bool Late { get; init; }

    /// <summary>
    /// True for what the EHR's FHIR server says of a resource, which is all there is to say: it replaces what came from there, and is laid
    /// over what messages said.
    /// </summary>
    [Id(3)]
    public bool Complete { get; init; }

    /// <summary>Resources that are deleted at the source; those that the record does not have do not matter.</summary>
    [Id(4)]
    public RecordKey[] Gone { get; init; } = [];
}

/// <summary>What became of an input.</summary>
[GenerateSerializer, Immutable, Alias("ehr.RecordReceipt")]
public sealed record RecordReceipt
{
    /// <summary>Versions that were written.</summary>
    [Id(0)]
    public int Written { get; init; }

    /// <summary>Resources that said nothing new.</summary>
    [Id(1)]
    public int Unchanged { get; init; }

    /// <summary>The record that this one was merged into: nothing was written here, it is to be taken there. Null: it was taken.</summary>
    [Id(2)]
    public PatientId? MovedTo { get; init; }
}

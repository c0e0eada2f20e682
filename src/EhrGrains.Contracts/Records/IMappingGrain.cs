using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Records;

/// <summary>How a tenant's HL7 v2 messages become FHIR: what went wrong, mapping again, and trying a change. Key: <see cref="GrainKeys.Tenant"/>.</summary>
[Alias("ehr.IMappingGrain")]
public interface IMappingGrain : IGrainWithStringKey
{
    /// <summary>How many exceptions there are, by kind and place, most first; at most 1,000 lines.</summary>
    [Alias("Count"), Requires(Permission.Operate)]
    Task<MappingExceptionCount[]> CountAsync(CancellationToken cancellationToken);

    /// <summary>The newest exceptions, at most <paramref name="countMax"/> (1–1,000): of one kind or feed, or all.</summary>
    [Alias("List"), Requires(Permission.Operate)]
    Task<MappingExceptionEntry[]> ListAsync(string? kind, FeedId? feed, int countMax, CancellationToken cancellationToken);

    /// <summary>
    /// Maps messages again, after the tenant's mapping was changed: those of the newest exceptions (of one kind or feed, or all), at most
    /// <paramref name="countMax"/> (1–1,000). A message adds what is missing; what a later one has said since stays.
    /// </summary>
    [Alias("Replay"), Requires(Permission.Operate), ResponseTimeout("00:05:00")]
    Task<MappingReplay> ReplayAsync(string? kind, FeedId? feed, int countMax, CancellationToken cancellationToken);

    /// <summary>
    /// Runs the last <paramref name="countMax"/> (1–10,000) messages of every inbound feed through the tenant's mapping and through a
    /// changed one, and says what differs, by element. Nothing is stored; no values are shown.
    /// </summary>
    /// <exception cref="ProblemException">Invalid: the changed mapping has errors, all of them listed.</exception>
    [Alias("Shadow"), Requires(Permission.Operate), ResponseTimeout("00:05:00")]
    Task<MappingShadow> ShadowAsync(MappingSpec changed, string timeZone, int countMax, CancellationToken cancellationToken);
}

/// <summary>Exceptions of one kind at one place.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Location">Where in the message, as <c>PID-8</c>.</param>
/// <param name="Count">How many.</param>
/// <param name="Last">When the last came.</param>
[GenerateSerializer, Immutable, Alias("ehr.MappingExceptionCount")]
public sealed record MappingExceptionCount(
    [property: Id(0)] string Kind, [property: Id(1)] string Location, [property: Id(2)] long Count, [property: Id(3)] DateTimeOffset Last);

/// <summary>Something in a message that could not be mapped as it should. Never holds a value of the message.</summary>
/// <param name="Feed">The feed.</param>
/// <param name="Position">The message's position in the feed's journal: <c>feed messages</c> shows it.</param>
/// <param name="At">When the message came.</param>
/// <param name="Kind">What kind, one of a few.</param>
/// <param name="Location">Where in the message, as <c>PID-8</c>.</param>
/// <param name="Message">What is wrong and what to do about it.</param>
[GenerateSerializer, Immutable, Alias("ehr.MappingExceptionEntry")]
public sealed record MappingExceptionEntry(
    [property: Id(0)] FeedId Feed,
    [property: Id(1)] long Position,
    [property: Id(2)] DateTimeOffset At,
    [property: Id(3)] string Kind,
    [property: Id(4)] string Location,
    [property: Id(5)] string Message);

/// <summary>What mapping again has done.</summary>
/// <param name="Messages">Messages that were mapped again.</param>
/// <param name="Written">Versions that were written.</param>
/// <param name="Exceptions">Exceptions that these messages still have.</param>
/// <param name="Gone">Messages that the journal does not have any more.</param>
[GenerateSerializer, Immutable, Alias("ehr.MappingReplay")]
public sealed record MappingReplay(
    [property: Id(0)] int Messages, [property: Id(1)] int Written, [property: Id(2)] int Exceptions, [property: Id(3)] int Gone);

/// <summary>What a changed mapping would do.</summary>
/// <param name="Messages">Messages that were mapped both ways.</param>
/// <param name="Differing">Messages with any difference.</param>
/// <param name="Elements">What differs, most often first.</param>
/// <param name="ExceptionsNow">Exceptions with the mapping as it is.</param>
/// <param name="ExceptionsThen">Exceptions with the changed one.</param>
[GenerateSerializer, Immutable, Alias("ehr.MappingShadow")]
public sealed record MappingShadow(
    [property: Id(0)] int Messages,
    [property: Id(1)] int Differing,
    [property: Id(2)] MappingDifference[] Elements,
    [property: Id(3)] int ExceptionsNow,
    [property: Id(4)] int ExceptionsThen);

/// <summary>One element that two mappings make differently.</summary>
/// <param name="Element">Its path, as <c>Patient.gender</c>.</param>
/// <param name="Added">In how many messages only the changed mapping has it.</param>
/// <param name="Removed">In how many only the mapping as it is.</param>
/// <param name="Changed">In how many both have it, with another value.</param>
/// <param name="Example">One of these messages, as <c>{feed}/{position}</c>.</param>
[GenerateSerializer, Immutable, Alias("ehr.MappingDifference")]
public sealed record MappingDifference(
    [property: Id(0)] string Element, [property: Id(1)] int Added, [property: Id(2)] int Removed, [property: Id(3)] int Changed, [property: Id(4)] string Example);

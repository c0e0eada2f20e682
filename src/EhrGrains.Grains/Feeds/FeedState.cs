using System.Collections.Immutable;
using EhrGrains.Contracts.Feeds;

namespace EhrGrains.Grains.Feeds;

/// <summary>What is stored of an inbound feed beside its journal and its position in it.</summary>
[GenerateSerializer, Immutable, Alias("ehr.state.Feed")]
internal sealed record InboundState
{
    /// <summary>Why an operator paused it; null: not paused.</summary>
    [Id(0)]
    public string? PausedFor { get; init; }

    /// <summary>The message that it stands in front of; null: none.</summary>
    [Id(1)]
    public QuarantinedMessage? BlockedBy { get; init; }

    /// <summary>The alarms that hold.</summary>
    [Id(2)]
    public ImmutableArray<FeedAlarm> Alarms { get; init; } = [];

    /// <summary>What came, newest hour first.</summary>
    [Id(3)]
    public ImmutableArray<FeedHour> Hours { get; init; } = [];

    /// <summary>The last position that is in <see cref="Hours"/>: a replay counts nothing twice.</summary>
    [Id(4)]
    public long Counted { get; init; }

    /// <summary>When the last message was processed.</summary>
    [Id(5)]
    public DateTimeOffset? LastProcessedAt { get; init; }

    /// <summary>Since when the feed is watched for silence; null: not yet.</summary>
    [Id(6)]
    public DateTimeOffset? WatchedSince { get; init; }
}

/// <summary>The alarms of a feed as a set by kind. Pure.</summary>
internal static class FeedAlarms
{
    /// <summary>The alarms with one of this kind; one that holds already keeps its beginning.</summary>
    internal static ImmutableArray<FeedAlarm> Raise(this ImmutableArray<FeedAlarm> alarms, FeedAlarmKind kind, DateTimeOffset now, string detail) =>
        [.. alarms.Where(alarm => alarm.Kind != kind), new FeedAlarm(kind, alarms.FirstOrDefault(alarm => alarm.Kind == kind)?.Since ?? now, detail)];

    /// <summary>The alarms without those of this kind.</summary>
    internal static ImmutableArray<FeedAlarm> Clear(this ImmutableArray<FeedAlarm> alarms, FeedAlarmKind kind) =>
        alarms.RemoveAll(alarm => alarm.Kind == kind);

    /// <summary>Whether one of this kind holds.</summary>
    internal static bool Has(this ImmutableArray<FeedAlarm> alarms, FeedAlarmKind kind) => alarms.Any(alarm => alarm.Kind == kind);
}

using System.Collections.Immutable;
using EhrGrains.Contracts.Feeds;

namespace EhrGrains.Grains.Feeds;

/// <summary>What is stored of an outbound feed beside its queue.</summary>
[GenerateSerializer, Immutable, Alias("ehr.state.Sender")]
internal sealed record OutboundState
{
    /// <summary>Why an operator paused it; null: not paused.</summary>
    [Id(0)]
    public string? PausedFor { get; init; }

    /// <summary>Whether it gave up.</summary>
    [Id(1)]
    public bool GaveUp { get; init; }

    /// <summary>The refused message that it stands in front of; null: none.</summary>
    [Id(2)]
    public QuarantinedMessage? BlockedBy { get; init; }

    /// <summary>The alarms that hold.</summary>
    [Id(3)]
    public ImmutableArray<FeedAlarm> Alarms { get; init; } = [];

    /// <summary>The message whose delivery failed last; 0: none did.</summary>
    [Id(4)]
    public long FailingAt { get; init; }

    /// <summary>Since when that message fails.</summary>
    [Id(5)]
    public DateTimeOffset FailingSince { get; init; }

    /// <summary>The client certificate with its key, sealed; null: none.</summary>
    [Id(6)]
    public ImmutableArray<byte>? SealedCertificate { get; init; }

    /// <summary>What can be said of it.</summary>
    [Id(7)]
    public FeedCertificate? Certificate { get; init; }
}

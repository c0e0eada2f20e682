using System.Text.Json.Serialization;

namespace EhrGrains.Contracts.Feeds;

/// <summary>Which way a feed goes.</summary>
[GenerateSerializer, Alias("ehr.FeedDirection")]
public enum FeedDirection
{
    /// <summary>The hospital sends, we listen.</summary>
    Inbound = 0,

    /// <summary>We send, the hospital listens.</summary>
    Outbound = 1,
}

/// <summary>Which of a silo's MLLP listeners.</summary>
[GenerateSerializer, Alias("ehr.FeedListener")]
public enum FeedListener
{
    /// <summary>The plain one, port 2575 by default.</summary>
    Plain = 0,

    /// <summary>The one with TLS, port 2576 by default.</summary>
    Tls = 1,
}

/// <summary>What becomes of a message that the journal cannot take now.</summary>
[GenerateSerializer, Alias("ehr.UnavailablePolicy")]
public enum UnavailablePolicy
{
    /// <summary>It is answered AE or CE at once; the sender tries again.</summary>
    Refuse = 0,

    /// <summary>It is not answered: the connection waits until the journal is back, or until its own time is over.</summary>
    Hold = 1,
}

/// <summary>What becomes of a message that could not be processed at the last try.</summary>
[GenerateSerializer, Alias("ehr.PoisonPolicy")]
public enum PoisonPolicy
{
    /// <summary>It is put aside into the quarantine and the feed goes on; order is broken for that message alone.</summary>
    Park = 0,

    /// <summary>The feed stops in front of it until an operator retries or skips it; order is kept.</summary>
    Block = 1,
}

/// <summary>What becomes of a message that the receiver refuses for good.</summary>
[GenerateSerializer, Alias("ehr.RefusedPolicy")]
public enum RefusedPolicy
{
    /// <summary>It is put aside into the quarantine and the feed goes on.</summary>
    Park = 0,

    /// <summary>The feed pauses in front of it, with an alarm.</summary>
    Pause = 1,
}

/// <summary>One HL7 v2 feed of a tenant over MLLP, as the operator states it: inbound or outbound, exactly one of the two.</summary>
[GenerateSerializer, Immutable, Alias("ehr.FeedSpec")]
public sealed record FeedSpec
{
    /// <summary>The feed's id, unique within the tenant.</summary>
    [Id(0)]
    public required string Feed { get; init; }

    /// <summary>What people call it. 1–200 characters.</summary>
    [Id(1)]
    public required string DisplayName { get; init; }

    /// <summary>How messages of an inbound feed are known and treated.</summary>
    [Id(2)]
    public InboundFeedSpec? Inbound { get; init; }

    /// <summary>Where an outbound feed sends.</summary>
    [Id(3)]
    public OutboundFeedSpec? Outbound { get; init; }

    /// <summary>Which way it goes.</summary>
    [JsonIgnore]
    public FeedDirection Direction => Outbound is null ? FeedDirection.Inbound : FeedDirection.Outbound;
}

/// <summary>How messages of an inbound feed are known and treated.</summary>
[GenerateSerializer, Immutable, Alias("ehr.InboundFeedSpec")]
public sealed record InboundFeedSpec
{
    /// <summary>Which messages are this feed's.</summary>
    [Id(0)]
    public required FeedMatch Match { get; init; }

    /// <summary>What becomes of a message while the journal cannot take it. Default: refuse.</summary>
    [Id(1)]
    public UnavailablePolicy WhenUnavailable { get; init; }

    /// <summary>What becomes of a message that cannot be processed. Default: park.</summary>
    [Id(2)]
    public PoisonPolicy Poison { get; init; }

    /// <summary>Tries before a message counts as one that cannot be processed. 1–20; default 5.</summary>
    [Id(3)]
    public int TriesMax { get; init; } = 5;

    /// <summary>Minutes without a message until there is an alarm. 1–10,080; null: none.</summary>
    [Id(4)]
    public int? SilenceAlarmMinutes { get; init; }

    /// <summary>Days that raw messages are kept in the journal. 1–3,650; default 30.</summary>
    [Id(5)]
    public int RetentionDays { get; init; } = 30;

    /// <summary>Whether the sender numbers its messages in MSH-13 (HL7 v2.5.1 §2.10.1). Default: no.</summary>
    [Id(6)]
    public bool SequenceNumbers { get; init; }

    /// <summary>Outbound feeds of the same tenant that every message is forwarded to, in order.</summary>
    [Id(7)]
    public string[] ForwardTo { get; init; } = [];

    /// <summary>Whether the sender expects the commit bytes of MLLP release 2 before the acknowledgement. Default: no.</summary>
    [Id(8)]
    public bool CommitBytes { get; init; }
}

/// <summary>
/// Which messages are a feed's. What is stated must all hold; at least one is stated. Two feeds of any tenants that one message
/// could belong to equally cannot both be registered.
/// </summary>
[GenerateSerializer, Immutable, Alias("ehr.FeedMatch")]
public sealed record FeedMatch
{
    /// <summary>The listener that the message comes in at; null: either.</summary>
    [Id(0)]
    public FeedListener? Listener { get; init; }

    /// <summary>SHA-256 of the sender's TLS client certificates (DER), 64 hexadecimal digits each; empty: not asked for.</summary>
    [Id(1)]
    public string[] CertificateSha256 { get; init; } = [];

    /// <summary>MSH-3, its first component; null: any.</summary>
    [Id(2)]
    public string? SendingApplication { get; init; }

    /// <summary>MSH-4, its first component; null: any.</summary>
    [Id(3)]
    public string? SendingFacility { get; init; }

    /// <summary>MSH-5, its first component; null: any.</summary>
    [Id(4)]
    public string? ReceivingApplication { get; init; }

    /// <summary>MSH-6, its first component; null: any.</summary>
    [Id(5)]
    public string? ReceivingFacility { get; init; }
}

/// <summary>Where an outbound feed sends, and how patiently.</summary>
[GenerateSerializer, Immutable, Alias("ehr.OutboundFeedSpec")]
public sealed record OutboundFeedSpec
{
    /// <summary>
    /// Host name or IP address of the receiver. One outside the public internet is connected to only when the tenant's
    /// <c>connection.privateNetworks</c> name it.
    /// </summary>
    [Id(0)]
    public required string Host { get; init; }

    /// <summary>TCP port. 1–65,535.</summary>
    [Id(1)]
    public required int Port { get; init; }

    /// <summary>Whether to use TLS. Default: yes.</summary>
    [Id(2)]
    public bool Tls { get; init; } = true;

    /// <summary>PEM certificates of the receiver's certificate authority; null: the public ones.</summary>
    [Id(3)]
    public string? TrustedCertificates { get; init; }

    /// <summary>Messages sent and not yet acknowledged at one time. 1–64; default 1.</summary>
    [Id(4)]
    public int OutstandingMax { get; init; } = 1;

    /// <summary>Seconds to wait for an acknowledgement. 1–600; default 30.</summary>
    [Id(5)]
    public int AcknowledgementTimeoutSeconds { get; init; } = 30;

    /// <summary>Hours of trying one message until the feed pauses with an alarm; nothing is ever dropped. 1–720; default 72.</summary>
    [Id(6)]
    public int GiveUpAfterHours { get; init; } = 72;

    /// <summary>Tries of a message that the receiver answers with AE or CE, before it counts as refused for good. 1–1,000; default 5.</summary>
    [Id(7)]
    public int TriesMax { get; init; } = 5;

    /// <summary>What becomes of a message that is refused for good: AR, CR, or AE and CE at the last try. Default: park.</summary>
    [Id(8)]
    public RefusedPolicy Refused { get; init; }
}

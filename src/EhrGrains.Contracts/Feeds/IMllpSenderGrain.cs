using EhrGrains.Contracts.Callers;
using Orleans.Concurrency;

namespace EhrGrains.Contracts.Feeds;

/// <summary>One outbound feed: sends its queue in order and drops nothing. Key: <see cref="GrainKeys.Feed"/>.</summary>
[Alias("ehr.IMllpSenderGrain")]
public interface IMllpSenderGrain : IGrainWithStringKey
{
    /// <summary>
    /// Puts messages into the queue, all or none; answered when they are on disk. One with a key that was given before is the same
    /// message and is not queued again.
    /// </summary>
    /// <exception cref="ProblemException">Invalid: not HL7 with a control id, too many, or too large.</exception>
    [Alias("Enqueue"), Requires(Permission.ReadMessages)]
    Task EnqueueAsync(OutboundMessage[] messages, CancellationToken cancellationToken);

    /// <summary>How the feed stands.</summary>
    /// <exception cref="ProblemException">NotFound: the tenant has no such outbound feed.</exception>
    [Alias("Status"), Requires(Permission.Operate), AlwaysInterleave]
    Task<OutboundStatus> StatusAsync(CancellationToken cancellationToken);

    /// <summary>Stops sending; what is under way is waited for.</summary>
    [Alias("Pause"), Requires(Permission.Operate)]
    Task PauseAsync(string reason, CancellationToken cancellationToken);

    /// <summary>Goes on sending, at once.</summary>
    [Alias("Resume"), Requires(Permission.Operate)]
    Task ResumeAsync(CancellationToken cancellationToken);

    /// <summary>What was put aside, at most <paramref name="countMax"/> (1–1,000), after position <paramref name="after"/>.</summary>
    [Alias("Quarantine"), Requires(Permission.Operate)]
    Task<QuarantinedMessage[]> QuarantineAsync(long after, int countMax, CancellationToken cancellationToken);

    /// <summary>Sends a message that was put aside, or that the feed stands in front of, once more.</summary>
    [Alias("Retry"), Requires(Permission.Operate)]
    Task RetryAsync(long position, CancellationToken cancellationToken);

    /// <summary>Gives up a message that was put aside, or that the feed stands in front of.</summary>
    [Alias("Skip"), Requires(Permission.Operate)]
    Task SkipAsync(long position, string reason, CancellationToken cancellationToken);

    /// <summary>
    /// Sets the TLS client certificate: PEM with the certificate and its private key. It is sealed under the tenant's key and shown
    /// from the next connection on; null takes it away.
    /// </summary>
    [Alias("SetClientCertificate"), Requires(Permission.Administer)]
    Task<FeedCertificate?> SetClientCertificateAsync(SecretText? pem, CancellationToken cancellationToken);

    /// <summary>Something was put into the queue, or the feed was changed: look. Answered at once.</summary>
    [Alias("Nudge"), Requires(Permission.Internal), AlwaysInterleave, ResponseTimeout("00:00:03")]
    Task NudgeAsync(CancellationToken cancellationToken);
}

/// <summary>A message to send.</summary>
/// <param name="Key">What makes it the same message when it is given twice. 1–200 characters, no patient data.</param>
/// <param name="Message">Its bytes, without MLLP framing.</param>
[GenerateSerializer, Immutable, Alias("ehr.OutboundMessage")]
public sealed record OutboundMessage([property: Id(0)] string Key, [property: Id(1)] byte[] Message)
{
    /// <inheritdoc/>
    public override string ToString() => $"OutboundMessage {Key}";
}

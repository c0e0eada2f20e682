using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace EhrGrains.Connect.Mllp;

/// <summary>The bounds of the MLLP listener. Section <c>EhrGrains:Mllp:Limits</c>.</summary>
public sealed class MllpOptions
{
    /// <summary>
    /// The largest message in bytes. 1 kB – 64 MB, which is what the journal takes; default 64 MB: documents travel as base64 in OBX-5.
    /// </summary>
    [Range(1024, 64 * 1024 * 1024)]
    public int FrameBytesMax { get; set; } = 64 * 1024 * 1024;

    /// <summary>
    /// Bytes of unfinished and unanswered frames over all connections. 1 MB – 16 GB; default 256 MB. Frames below 16 kB are not
    /// counted; a connection that would go beyond is closed, and its sender tries again later.
    /// </summary>
    [Range(1024 * 1024, 16L * 1024 * 1024 * 1024)]
    public long BufferedBytesMax { get; set; } = 256L * 1024 * 1024;

    /// <summary>Connections at one time. 1 – 1,000,000; default 20,000; further ones are closed at once.</summary>
    [Range(1, 1_000_000)]
    public int ConnectionsMax { get; set; } = 20_000;

    /// <summary>
    /// Messages of one connection that are being kept at one time. 1 – 4,096; default 64: a sender that does not wait for its
    /// acknowledgements gets no more than this share of the journal's queue.
    /// </summary>
    [Range(1, 4096)]
    public int FramesInFlightMax { get; set; } = 64;

    /// <summary>How long a TLS handshake may take. 1 s – 1 min; default 5 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:01:00")]
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long a connection may say nothing before its first frame begins. 1 s – 1 h; default 5 min: interface engines connect when
    /// they start, some time before they have something to send.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan FirstByteTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a frame may be slow, from its first byte on. 1 s – 5 min; default 30 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan FrameGrace { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The slowest frame in bytes per second that is waited for, once <see cref="FrameGrace"/> is over. 1 – 1,000,000; default 240:
    /// less is a stuck line or a peer that holds connections on purpose.
    /// </summary>
    [Range(1, 1_000_000)]
    public int FrameBytesPerSecondMin { get; set; } = 240;

    /// <summary>How long a frame may take at most, from its first to its last byte. 1 s – 1 h; default 5 min.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan FrameTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How long a connection may be silent between two frames. 1 s – 30 days; default 1 day: a small site sends nothing at night, and
    /// peers that are gone are found by TCP keep-alive.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "30.00:00:00")]
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromDays(1);

    /// <summary>How long a sender may not read its acknowledgements. 1 s – 5 min; default 30 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan WriteTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a message of a feed that holds (whenUnavailable: hold) waits for the journal, before the connection is closed without
    /// an answer. 1 s – 1 h; default 2 min: senders wait less.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan HoldTimeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>How long a held message waits before the journal is asked again. 10 ms – 1 min; default 500 ms.</summary>
    [Range(typeof(TimeSpan), "00:00:00.01", "00:01:00")]
    public TimeSpan HoldRetryDelay { get; set; } = TimeSpan.FromMilliseconds(500);
}

[OptionsValidator]
internal sealed partial class MllpOptionsValidator : IValidateOptions<MllpOptions>;

using System.Text.Json.Serialization;

namespace EhrGrains.Sandbox.Feeds;

/// <summary>What can go wrong in a feed that a hospital sends.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<FeedFaultKind>))]
internal enum FeedFaultKind
{
    /// <summary>The message is sent once more after it was acknowledged.</summary>
    [JsonStringEnumMemberName("resend")]
    Resend,

    /// <summary>The message comes after the next one.</summary>
    [JsonStringEnumMemberName("reorder")]
    Reorder,

    /// <summary>The acknowledgement is lost on its way: the sender connects anew and sends again.</summary>
    [JsonStringEnumMemberName("lost-ack")]
    LostAck,

    /// <summary>The connection breaks in the middle of the frame; the message is sent again on a new one.</summary>
    [JsonStringEnumMemberName("disconnect")]
    Disconnect,

    /// <summary>In turn: no CR after FS, LF instead of it, CR LF NUL before VT, byte by byte.</summary>
    [JsonStringEnumMemberName("odd-framing")]
    OddFraming,

    /// <summary>MSH-18 says 8859/1, and the bytes are UTF-8.</summary>
    [JsonStringEnumMemberName("wrong-charset")]
    WrongCharset,
}

/// <summary>One fault of a feed: at each message that is a multiple of <see cref="Every"/>.</summary>
internal sealed record FeedFault
{
    public required FeedFaultKind Kind { get; init; }

    public int Every { get; init; } = 10;
}

/// <summary>What a hospital's feed is to do.</summary>
internal sealed record FeedSettings
{
    public const int FaultsMax = 20;

    public required string Host { get; init; }

    public required int Port { get; init; }

    /// <summary>Messages a second; 0: as fast as they are acknowledged.</summary>
    public double MessagesPerSecond { get; init; } = 5;

    /// <summary>After how many messages the feed ends; null: not by itself.</summary>
    public int? Count { get; init; }

    /// <summary>Begins every control id: another run is other messages.</summary>
    public string Run { get; init; } = "R";

    public int AcknowledgementTimeoutMilliseconds { get; init; } = 10_000;

    public IReadOnlyList<FeedFault> Faults { get; init; } = [];

    [JsonIgnore]
    public IEnumerable<string> Problems
    {
        get
        {
            if (Host.Length is 0 or > 253)
            {
                yield return "host: a name or an IP address.";
            }

            if (Port is < 1 or > 65_535)
            {
                yield return "port: 1 to 65,535.";
            }

            if (MessagesPerSecond is < 0 or > 100_000 or double.NaN)
            {
                yield return "messagesPerSecond: 0 to 100,000.";
            }

            if (Count is < 1 or > 9_999_999)
            {
                yield return "count: 1 to 9,999,999.";
            }

            if (Run.Length is < 1 or > 12 || !Run.All(char.IsAsciiLetterOrDigit))
            {
                yield return "run: 1 to 12 letters and digits.";
            }

            if (AcknowledgementTimeoutMilliseconds is < 10 or > 600_000)
            {
                yield return "acknowledgementTimeoutMilliseconds: 10 to 600,000.";
            }

            if (Faults.Count > FaultsMax || Faults.Any(static fault => fault.Every < 1))
            {
                yield return $"faults: at most {FaultsMax}, every 1 or more.";
            }
        }
    }
}

/// <summary>How a feed stands.</summary>
internal sealed record FeedReading
{
    /// <summary>What it was told; null: nothing yet.</summary>
    public FeedSettings? Settings { get; init; }

    public required bool Running { get; init; }

    /// <summary>Different messages that were put on the line.</summary>
    public required long Sent { get; init; }

    /// <summary>Messages that were answered AA or CA.</summary>
    public required long Acknowledged { get; init; }

    /// <summary>Messages that were answered AR or CR, and so given up.</summary>
    public required long Refused { get; init; }

    /// <summary>Answers AE and CE: the message was sent again later.</summary>
    public required long Deferred { get; init; }

    /// <summary>Times that a message went out again.</summary>
    public required long Resent { get; init; }

    /// <summary>Connections that broke or could not be opened, those broken on purpose among them.</summary>
    public required long Disconnects { get; init; }

    /// <summary>Acknowledgements that did not come in time.</summary>
    public required long Timeouts { get; init; }

    /// <summary>Control ids in the order in which they were first acknowledged, the last 10,000.</summary>
    public required IReadOnlyList<string> AcknowledgedIds { get; init; }
}

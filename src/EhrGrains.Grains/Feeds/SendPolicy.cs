using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts;

namespace EhrGrains.Grains.Feeds;

/// <summary>What follows from a try to deliver a message.</summary>
internal enum SendVerdict
{
    /// <summary>The receiver has it.</summary>
    Delivered,

    /// <summary>The receiver could not take it now: the same message is tried again.</summary>
    AgainLater,

    /// <summary>The receiver will not take it, however often it is asked.</summary>
    Refused,

    /// <summary>Nothing is known: the connection failed. Everything that was under way is sent again.</summary>
    Unknown,
}

/// <summary>How patiently a sender tries. Pure.</summary>
internal static class SendPolicy
{
    /// <summary>Failures in a row from which on the receiver counts as not there.</summary>
    internal const int CircuitFailures = 3;

    private static readonly TimeSpan DelayMin = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DelayMax = TimeSpan.FromMinutes(5);

    /// <summary>What an outcome means; AE and CE count as refused at the last of the tries that the feed allows.</summary>
    internal static SendVerdict Judge(MllpSendOutcome outcome, int tries, int triesMax) => outcome switch
    {
        MllpSendOutcome.Accepted => SendVerdict.Delivered,
        MllpSendOutcome.Rejected => SendVerdict.Refused,
        MllpSendOutcome.Error => tries >= triesMax ? SendVerdict.Refused : SendVerdict.AgainLater,
        _ => SendVerdict.Unknown,
    };

    /// <summary>
    /// How long to wait after that many failures in a row: 1 s doubling up to 5 min, of which a fifth more or less by chance
    /// (<paramref name="chance"/>, 0–1), so that feeds that failed together do not come back together.
    /// </summary>
    internal static TimeSpan Delay(int failures, double chance)
    {
        var delay = DelayMin * Math.Pow(2, Math.Clamp(failures - 1, 0, 12));
        return (delay < DelayMax ? delay : DelayMax) * (0.8 + (0.4 * chance));
    }

    /// <summary>An outcome that is no delivery, for people.</summary>
    internal static Problem Explain(MllpSendResult result) => result.Outcome switch
    {
        MllpSendOutcome.NoAnswer => new("EHR-FED-130", "", "The receiver took the connection but sent no acknowledgement in time."),
        MllpSendOutcome.Disconnected => new("EHR-FED-131", "", "The receiver ended the connection before it acknowledged."),
        MllpSendOutcome.Error => new("EHR-FED-132", "", $"The receiver answered {Answer(result)}: it could not take the message now."),
        _ => new("EHR-FED-133", "", $"The receiver answered {Answer(result)}: it does not take this message."),
    };

    private static string Answer(MllpSendResult result) => result.ErrorCode is { } code ? $"{result.Code} (condition {code} of HL7 table 0357)" : $"{result.Code}";
}

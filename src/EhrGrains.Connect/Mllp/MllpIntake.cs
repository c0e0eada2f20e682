using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Hl7v2.Acknowledgements;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Mllp;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Connect.Mllp;

/// <summary>What is decided of a message, with the number that its sender is to use next.</summary>
internal readonly record struct MllpAnswer(AcknowledgementDecision Decision, long? ExpectedSequence);

/// <summary>
/// From the content of a frame to a decision: divides it into messages, finds their feed, has them kept, asks the decision table.
/// One for each connection.
/// </summary>
internal sealed partial class MllpIntake(MllpListener listener, FeedListener kind, string? certificate)
{
    // MSH-1 to MSH-6 of the last message, and what they led to. Nearly every message of a connection has the same.
    private const int PartiesEnd = 6;
    private readonly List<Range> ranges = [];
    private FeedRoutes? knownRoutes;
    private byte[] knownParties = [];
    private FeedRoute? knownRoute;
    private string knownSender = "";
    private bool waits;

    /// <summary>
    /// Takes the content of a frame, which must stay as it is until <see cref="DecideAsync"/> has ended for all its messages.
    /// </summary>
    internal void Take(ReadOnlyMemory<byte> content, List<MllpMessage> batch)
    {
        ranges.Clear();
        MllpMessage.Divide(content.Span, ranges);
        foreach (var range in ranges)
        {
            var message = Read(content[range], batch);
            if (!message.IsHl7)
            {
                message.Event = MllpEvent.NotHl7;
            }
            else if (ControlId(message) is not { } controlId)
            {
                message.Event = MllpEvent.NoControlId;
            }
            else if (message.Route is not { } route)
            {
                message.Event = MllpEvent.NoFeed;
            }
            else
            {
                Begin(message, route, controlId);
            }
        }
    }

    /// <summary>Takes a frame whose end was lost. It may be cut, and is not kept: its sender is told to send it again.</summary>
    internal void TakeUnterminated(ReadOnlyMemory<byte> content, List<MllpMessage> batch)
    {
        var message = Read(content, batch);
        message.Event = message.IsHl7 ? MllpEvent.Unterminated : MllpEvent.NotHl7;
    }

    /// <summary>Takes the beginning of a frame that is larger than allowed, so that its sender can be told.</summary>
    internal void TakeTooLarge(in ReadOnlySequence<byte> beginning, List<MllpMessage> batch)
    {
        var header = beginning.Slice(0, Math.Min(beginning.Length, MllpMessage.HeaderBytesMax)).ToArray();
        Read(header, batch).Event = MllpEvent.TooLarge;
    }

    /// <summary>Waits for the receipt and decides; null: the message could not be kept and its sender is not to be told.</summary>
    internal async ValueTask<MllpAnswer?> DecideAsync(MllpMessage message, EndPoint? sender, CancellationToken stopping)
    {
        var receipt = message.Arrival is null ? default : await (message.Receipt ??= AppendAsync(message.Arrival));
        var decision = Decide(message, receipt);
        if (decision.Holds)
        {
            receipt = await HoldAsync(message, stopping);
            decision = Decide(message, receipt);
        }

        var outcome = decision.Holds ? "held" : Outcome(message.Event);
        listener.Metrics.MllpMessage(message.IsHl7 ? Type(message.Header.Segment(0)) : "", outcome);
        if (decision.Refusal is { } reason)
        {
            var address = (sender as IPEndPoint)?.Address.ToString();
            await RefuseAsync(new MllpRefusal(reason, message.Route, kind, certificate, address, message.Bytes.Length));
        }

        return decision.Holds ? null : new MllpAnswer(decision, receipt.ExpectedSequence);
    }

    /// <summary>Writes the answer in frames of its own; nothing when the sender wants none.</summary>
    internal static void Write(IBufferWriter<byte> output, MllpMessage message, in MllpAnswer answer, string controlId, DateTimeOffset at)
    {
        if (answer.Decision.CommitByte is { } commit)
        {
            output.Write([MllpBytes.Start, commit, MllpBytes.End, MllpBytes.CarriageReturn]);
        }

        if (answer.Decision.Code is not { } code)
        {
            return;
        }

        output.Write([MllpBytes.Start]);
        if (message.IsHl7)
        {
            Acknowledgement.Write(
                output, message.Header, new AcknowledgementAnswer(code, controlId, at, answer.Decision.Error, answer.ExpectedSequence));
        }
        else
        {
            Acknowledgement.RejectNotHl7(output, controlId, at);
        }

        output.Write([MllpBytes.End, MllpBytes.CarriageReturn]);
    }

    private MllpMessage Read(ReadOnlyMemory<byte> bytes, List<MllpMessage> batch)
    {
        waits &= batch.Count > 0;
        var message = listener.Messages.Get();
        batch.Add(message);
        message.Read(bytes);
        if (message.IsHl7)
        {
            var header = message.Header.Segment(0);
            Find(header, message.Header.Delimiters.Field);
            message.Route = knownRoute;
            message.Terms = AcknowledgementTerms.Of(header, knownRoute?.Spec);
        }

        return message;
    }

    private void Begin(MllpMessage message, FeedRoute route, string controlId)
    {
        var header = message.Header.Segment(0);
        message.Arrival = new MllpArrival
        {
            Route = route,
            Message = message.Bytes,
            ControlId = controlId,
            Sender = knownSender,
            MessageType = Type(header),
            Sequence = route.Spec.SequenceNumbers ? Sequence(header[13]) : null,
            ReceivedAt = listener.Time.GetUtcNow(),
        };

        // A message that would wait for the journal is kept when its turn has come, and so are those after it: none may pass it.
        waits |= AcknowledgementRules.Decide(MllpEvent.Unavailable, message.Terms).Holds;
        message.MayWait = waits;
        message.Receipt = waits ? null : AppendAsync(message.Arrival);
    }

    private static AcknowledgementDecision Decide(MllpMessage message, MllpReceipt receipt)
    {
        message.Event = message.Arrival is null ? message.Event : receipt.Outcome switch
        {
            MllpOutcome.Appended => MllpEvent.Appended,
            MllpOutcome.Duplicate => MllpEvent.Duplicate,
            MllpOutcome.ControlIdReused => MllpEvent.ControlIdReused,
            MllpOutcome.SequenceAnswered when message.IsHeaderOnly => MllpEvent.SequenceAnswered,
            MllpOutcome.SequenceAnswered or MllpOutcome.OutOfSequence => MllpEvent.OutOfSequence,
            _ => MllpEvent.Unavailable,
        };
        return AcknowledgementRules.Decide(message.Event, message.Terms);
    }

    private async Task<MllpReceipt> HoldAsync(MllpMessage message, CancellationToken stopping)
    {
        var since = listener.Time.GetTimestamp();
        var receipt = new MllpReceipt(MllpOutcome.Unavailable);
        while (receipt.Outcome == MllpOutcome.Unavailable && listener.Time.GetElapsedTime(since) < listener.Options.HoldTimeout)
        {
            try
            {
                await Task.Delay(listener.Options.HoldRetryDelay, listener.Time, stopping);
            }
            catch (OperationCanceledException)
            {
                break;
            }

            receipt = await AppendAsync(message.Arrival!);
        }

        return receipt;
    }

    private async Task<MllpReceipt> AppendAsync(MllpArrival arrival)
    {
        try
        {
            return await listener.Receiver.Append(arrival, CancellationToken.None);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Whatever went wrong: the message is not known to be kept, so it is not acknowledged as kept.
            AppendFailed(listener.Log, arrival.Route.Tenant.Value, arrival.Route.Feed.Value, e.GetType().Name);
            return new MllpReceipt(MllpOutcome.Unavailable);
        }
    }

    private async Task RefuseAsync(MllpRefusal refusal)
    {
        try
        {
            await listener.Receiver.Refused(refusal, CancellationToken.None);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            RefusalWasNotRecorded(listener.Log, refusal.Reason, e.GetType().Name);
        }
    }

    private void Find(Hl7Segment header, byte separator)
    {
        var parties = Parties(header.Raw, separator);
        var routes = listener.Receiver.Routes();
        if (ReferenceEquals(routes, knownRoutes) && parties.SequenceEqual(knownParties))
        {
            return;
        }

        knownRoute = routes.Find(kind, certificate, header);
        knownSender = $"{header[3].GetString()}|{header[4].GetString()}";

        // What is not ASCII reads differently in another character set: looked up each time.
        knownRoutes = Ascii.IsValid(parties) ? routes : null;
        knownParties = parties.ToArray();
    }

    private static ReadOnlySpan<byte> Parties(ReadOnlySpan<byte> header, byte separator)
    {
        var end = 0;
        for (var field = 1; field <= PartiesEnd; field++)
        {
            var next = header[end..].IndexOf(separator);
            if (next < 0)
            {
                return header;
            }

            end += next + 1;
        }

        return header[..end];
    }

    private static string? ControlId(MllpMessage message)
    {
        var value = message.Header.Segment(0)[10];
        return value.HasValue && value.GetString() is var text && !string.IsNullOrWhiteSpace(text) ? text : null;
    }

    private static long? Sequence(Hl7Value value) =>
        long.TryParse(value.GetString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static string Type(Hl7Segment header) => MessageTypes.NameOf(header[9].Component(1).Raw);

    private static string Outcome(MllpEvent what) => what switch
    {
        MllpEvent.Appended => "appended",
        MllpEvent.Duplicate => "duplicate",
        MllpEvent.ControlIdReused => "control-id-reused",
        MllpEvent.SequenceAnswered => "sequence-answered",
        MllpEvent.OutOfSequence => "out-of-sequence",
        MllpEvent.Unavailable => "unavailable",
        MllpEvent.Unterminated => "unterminated",
        MllpEvent.NoControlId => "no-control-id",
        MllpEvent.NoFeed => "no-feed",
        MllpEvent.NotHl7 => "not-hl7",
        _ => "too-large",
    };

    [LoggerMessage(4005, LogLevel.Error, "A message of feed {Tenant}/{Feed} was not kept: {Failure}. Its sender was told, or is waiting.")]
    private static partial void AppendFailed(ILogger logger, string tenant, string feed, string failure);

    [LoggerMessage(4006, LogLevel.Error, "A refused message ({Reason}) could not be recorded in the audit trail: {Failure}.")]
    private static partial void RefusalWasNotRecorded(ILogger logger, MllpRefusalReason reason, string failure);
}

/// <summary>The message types of MSH-9.1 (HL7 table 0076) that are told apart in metrics; their number has a bound.</summary>
internal static class MessageTypes
{
    private static readonly string[] Known =
    [
        "ADT", "ORU", "ORM", "SIU", "MDM", "VXU", "DFT", "BAR", "OML", "OMG", "OMP", "RDE", "RAS", "RDS", "ORL", "OUL", "MFN", "QRY", "QBP",
        "RSP", "PPR", "REF", "ACK",
    ];

    internal static string NameOf(ReadOnlySpan<byte> type)
    {
        foreach (var name in Known)
        {
            if (Ascii.EqualsIgnoreCase(type, name))
            {
                return name;
            }
        }

        return type.IsEmpty ? "" : "other";
    }
}

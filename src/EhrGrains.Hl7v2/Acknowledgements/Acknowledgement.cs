using System.Buffers;
using System.Globalization;
using System.Text;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Text;

namespace EhrGrains.Hl7v2.Acknowledgements;

/// <summary>What became of a message.</summary>
public enum Acceptance
{
    /// <summary>It is kept (AA, CA).</summary>
    Accepted,

    /// <summary>It could not be kept now; the sender should send it again (AE, CE).</summary>
    Error,

    /// <summary>It cannot be taken as it is; sending it again changes nothing (AR, CR).</summary>
    Rejected,
}

/// <summary>What is wrong with a message, for its ERR segment (HL7 table 0357).</summary>
/// <param name="Code">The condition code of table 0357, for example 101 (required field missing).</param>
/// <param name="Text">The condition's name. Never content of the message.</param>
/// <param name="Location">Where; null for the whole message.</param>
public sealed record AcknowledgementError(int Code, string Text, Hl7Address? Location = null)
{
    /// <summary>100: segments missing or out of order.</summary>
    public static AcknowledgementError SegmentSequence { get; } = new(100, "Segment sequence error");

    /// <summary>101 at MSH-10: a message without a control id cannot be accepted, for its sender could not know which one was.</summary>
    public static AcknowledgementError NoControlId { get; } = new(101, "Required field missing", new Hl7Address("MSH", 1, 10, 0, 0, 0));

    /// <summary>102: what was sent is not HL7 v2.</summary>
    public static AcknowledgementError NotHl7 { get; } = new(102, "Data type error");

    /// <summary>207: the receiver could not keep it now.</summary>
    public static AcknowledgementError Internal { get; } = new(207, "Application internal error");
}

/// <summary>An acknowledgement as its receiver has decided it.</summary>
/// <param name="Code">MSA-1 (HL7 table 0008): AA, AE, AR, CA, CE or CR.</param>
/// <param name="ControlId">MSH-10 of the acknowledgement: letters and digits, at most 20.</param>
/// <param name="At">MSH-7 of the acknowledgement.</param>
/// <param name="Error">What is wrong; null when nothing is.</param>
/// <param name="ExpectedSequence">MSA-4, the sequence number that comes next (HL7 v2.5.1 §2.10.1); null: no numbers are used.</param>
public readonly record struct AcknowledgementAnswer(
    string Code, string ControlId, DateTimeOffset At, AcknowledgementError? Error = null, long? ExpectedSequence = null);

/// <summary>
/// Writes acknowledgements (HL7 v2.5.1 §2.9): original mode, or the accept acknowledgement of enhanced mode as MSH-15 asks for;
/// in the sender's delimiters, version and character set; never a positive one for a message without MSH-10.
/// </summary>
public static class Acknowledgement
{
    /// <summary>
    /// Whether the sender wants an answer to this outcome. In original mode (MSH-15 and MSH-16 empty) always; in enhanced mode as
    /// MSH-15 says: AL, NE, ER (only when it was not accepted) or SU (only when it was). An empty or unknown MSH-15 in
    /// enhanced mode means NE (HL7 v2.5.1 §2.9.3.1).
    /// </summary>
    public static bool IsWanted(Hl7Message message, Acceptance outcome)
    {
        var header = message.Segment(0);
        if (!IsEnhanced(header))
        {
            return true;
        }

        var accept = header[15];
        return accept.Is("AL") || (accept.Is("ER") && outcome != Acceptance.Accepted) || (accept.Is("SU") && outcome == Acceptance.Accepted);
    }

    /// <summary>Writes the acknowledgement of <paramref name="message"/>.</summary>
    /// <param name="message">What is acknowledged.</param>
    /// <param name="outcome">What became of it; a message without MSH-10 is rejected whatever is given.</param>
    /// <param name="controlId">MSH-10 of the acknowledgement: letters and digits, at most 20.</param>
    /// <param name="at">MSH-7 of the acknowledgement.</param>
    /// <param name="errors">What is wrong; empty when accepted.</param>
    public static byte[] Write(
        Hl7Message message, Acceptance outcome, string controlId, DateTimeOffset at, IReadOnlyList<AcknowledgementError>? errors = null)
    {
        var header = message.Segment(0);
        if (header[10].IsEmpty && outcome == Acceptance.Accepted)
        {
            outcome = Acceptance.Rejected;
            errors = [AcknowledgementError.NoControlId];
        }

        var output = new ArrayBufferWriter<byte>(256);
        var fields = new Fields(output, message.Delimiters);
        fields.Header(header, controlId, at);
        fields.Segment("MSA");
        fields.Text(Code(outcome, IsEnhanced(header)));
        fields.Raw(header[10].Raw);
        foreach (var error in errors ?? [])
        {
            WriteError(ref fields, error, header[12].Component(1));
        }

        fields.End();
        return message.ToOriginal(output.WrittenSpan);
    }

    /// <summary>
    /// Writes the acknowledgement of <paramref name="message"/> as it was decided, without looking at the decision; of the message only
    /// the header is read.
    /// </summary>
    public static void Write(IBufferWriter<byte> output, Hl7Message message, in AcknowledgementAnswer answer)
    {
        if (message.Charset.Original is null)
        {
            WriteText(output, message, answer);
            return;
        }

        // What is copied of a message that was turned into UTF-8 goes back in the set that it came in.
        var text = new ArrayBufferWriter<byte>(256);
        WriteText(text, message, answer);
        output.Write(message.ToOriginal(text.WrittenSpan));
    }

    private static void WriteText(IBufferWriter<byte> output, Hl7Message message, in AcknowledgementAnswer answer)
    {
        var header = message.Segment(0);
        var fields = new Fields(output, message.Delimiters);
        fields.Header(header, answer.ControlId, answer.At);
        fields.Segment("MSA");
        fields.Text(answer.Code);
        fields.Raw(header[10].Raw);
        if (answer.ExpectedSequence is { } expected)
        {
            fields.Raw([]);
            fields.Text(expected.ToString(CultureInfo.InvariantCulture));
        }

        if (answer.Error is not null)
        {
            WriteError(ref fields, answer.Error, header[12].Component(1));
        }

        fields.End();
    }

    /// <summary>The rejection of bytes that are not HL7 v2, in the delimiters that the standard recommends.</summary>
    public static byte[] RejectNotHl7(string controlId, DateTimeOffset at)
    {
        var output = new ArrayBufferWriter<byte>(256);
        RejectNotHl7(output, controlId, at);
        return output.WrittenSpan.ToArray();
    }

    /// <inheritdoc cref="RejectNotHl7(string, DateTimeOffset)"/>
    public static void RejectNotHl7(IBufferWriter<byte> output, string controlId, DateTimeOffset at)
    {
        var fields = new Fields(output, Delimiters.Standard);
        fields.Header(default, controlId, at);
        fields.Segment("MSA");
        fields.Text("AR");
        fields.Raw([]);
        WriteError(ref fields, AcknowledgementError.NotHl7, default);
        fields.End();
    }

    private static bool IsEnhanced(Hl7Segment header) => !header[15].IsEmpty || !header[16].IsEmpty;

    private static string Code(Acceptance outcome, bool enhanced) => (outcome, enhanced) switch
    {
        (Acceptance.Accepted, false) => "AA",
        (Acceptance.Error, false) => "AE",
        (Acceptance.Rejected, false) => "AR",
        (Acceptance.Accepted, true) => "CA",
        (Acceptance.Error, true) => "CE",
        _ => "CR",
    };

    // ERR changed in 2.5: before, one component list in ERR-1; since, location, code and severity in fields of their own.
    private static void WriteError(ref Fields fields, AcknowledgementError error, Hl7Value version)
    {
        var before25 = version.Raw is [(byte)'2', (byte)'.', >= (byte)'0' and <= (byte)'4', ..];
        var code = error.Code.ToString(CultureInfo.InvariantCulture);
        var place = error.Location;
        string[] location = place is { } at
            ? [at.Segment, at.Occurrence.ToString(CultureInfo.InvariantCulture), at.Field.ToString(CultureInfo.InvariantCulture)]
            : [];
        fields.Segment("ERR");
        if (before25)
        {
            fields.OldError(location, code, error.Text);
            return;
        }

        fields.Raw([]);
        fields.Components(location);
        fields.Components([code, error.Text, "HL70357"]);
        fields.Text("E");
    }

    /// <summary>Fields as they are written, in the sender's delimiters. What is copied of the sender is copied raw.</summary>
    private readonly ref struct Fields(IBufferWriter<byte> output, Delimiters delimiters)
    {
        internal void Header(Hl7Segment sender, string controlId, DateTimeOffset at)
        {
            var known = !sender.Raw.IsEmpty;
            output.Write("MSH"u8);
            Raw([]);
            ReadOnlySpan<byte> encoding =
                [delimiters.Component, delimiters.Repetition, delimiters.Escape, delimiters.Subcomponent, delimiters.Truncation];
            output.Write(encoding.TrimEnd((byte)0));
            Raw(known ? sender[5].Raw : []);
            Raw(known ? sender[6].Raw : []);
            Raw(known ? sender[3].Raw : []);
            Raw(known ? sender[4].Raw : []);
            Time(at);
            Raw([]);
            var trigger = known ? sender[9].Component(2).Raw : [];
            Type(trigger);
            Text(controlId);
            Raw(known && !sender[11].IsEmpty ? sender[11].Raw : "P"u8);
            Raw(known && !sender[12].IsEmpty ? sender[12].Raw : "2.5.1"u8);
            if (known && !sender[18].IsEmpty)
            {
                for (var field = 13; field < 18; field++)
                {
                    Raw([]);
                }

                Raw(sender[18].Raw);
            }
        }

        internal void Segment(string id)
        {
            output.Write("\r"u8);
            Encoding.ASCII.GetBytes(id, output);
        }

        // DTM (HL7 v2.5.1 §2.A.22) with milliseconds and offset, which has no colon there.
        private void Time(DateTimeOffset at)
        {
            Span<char> text = stackalloc char[24];
            at.TryFormat(text, out _, "yyyyMMddHHmmss.fffzzz", CultureInfo.InvariantCulture);
            text[22..].CopyTo(text[21..]);
            Raw([]);
            Write(text[..^1]);
        }

        // A field that held a line end (which the reader tolerates) must not end a segment here.
        internal void Raw(ReadOnlySpan<byte> value)
        {
            output.Write([delimiters.Field]);
            if (!value.ContainsAny((byte)'\r', (byte)'\n'))
            {
                output.Write(value);
            }
        }

        internal void Text(string value)
        {
            Raw([]);
            Write(value);
        }

        // Our own words. Where the sender left no way to escape, a character of them that would divide is left out.
        private void Write(ReadOnlySpan<char> value)
        {
            if (IsPlain(value))
            {
                Encoding.ASCII.GetBytes(value, output);
                return;
            }

            var own = delimiters;
            var text = own.Escape != 0 ? value.ToString() : string.Concat(value.ToString().Where(c => !own.IsDelimiter((byte)c)));
            output.Write(TextEncoder.Encode(text, delimiters, Charset.Utf8));
        }

        private bool IsPlain(ReadOnlySpan<char> value)
        {
            foreach (var c in value)
            {
                if (!char.IsAsciiLetterOrDigit(c) && (c is < ' ' or > '~' || delimiters.IsDelimiter((byte)c)))
                {
                    return false;
                }
            }

            return true;
        }

        internal void Components(ReadOnlySpan<string> values)
        {
            Raw([]);
            Join(values, delimiters.Component);
        }

        internal void OldError(ReadOnlySpan<string> location, string code, string text)
        {
            Components(location);
            for (var missing = location.Length; missing < 3 && delimiters.Component != 0; missing++)
            {
                output.Write([delimiters.Component]);
            }

            if (delimiters.Component != 0)
            {
                output.Write(location.Length == 3 ? [delimiters.Component] : []);
                Join([code, text, "HL70357"], delimiters.Subcomponent);
            }
        }

        internal void End() => output.Write("\r"u8);

        private void Type(ReadOnlySpan<byte> trigger)
        {
            Text("ACK");
            if (delimiters.Component != 0 && !trigger.IsEmpty && !trigger.ContainsAny((byte)'\r', (byte)'\n'))
            {
                output.Write([delimiters.Component]);
                output.Write(trigger);
                output.Write([delimiters.Component]);
                output.Write("ACK"u8);
            }
        }

        private void Join(ReadOnlySpan<string> values, byte divider)
        {
            for (var i = 0; i < values.Length; i++)
            {
                if (i > 0)
                {
                    output.Write(divider == 0 ? " "u8 : [divider]);
                }

                Write(values[i]);
            }
        }
    }
}

using EhrGrains.Contracts;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Grains.Feeds;

/// <summary>What was found in a message: its type and the leniencies that reading it took, or why it cannot be read.</summary>
/// <param name="Type">MSH-9 as <c>ADT^A08</c>; <c>unknown</c> when it has none that is one.</param>
/// <param name="Warnings">The codes of the leniencies, each once.</param>
/// <param name="Failure">Why it cannot be processed; null when it can.</param>
internal sealed record FeedReading(string Type, IReadOnlyCollection<string> Warnings, Problem? Failure);

/// <summary>Reads messages of a feed, tolerantly. Not safe for use by several threads at once.</summary>
internal sealed class FeedMessageReader : IDisposable
{
    internal const string UnknownType = "unknown";
    private const int CodeLengthMax = 7;
    private const int TypeAddressField = 9;

    private readonly Hl7Message message = new();

    internal FeedReading Read(ReadOnlyMemory<byte> bytes)
    {
        var result = message.Read(bytes);
        return result.Ok
            ? new FeedReading(Type(), [.. message.Warnings.Select(warning => warning.Code.ToString()).Distinct(StringComparer.Ordinal)], null)
            : new FeedReading(UnknownType, [], new Problem(
                "EHR-HL7-001", $"byte {result.Offset}", $"The message cannot be read ({result.Fault}), however tolerantly."));
    }

    public void Dispose() => message.Dispose();

    // It becomes a name in statistics and logs, so only what the standard's codes look like is taken over.
    private string Type()
    {
        var field = message.Segment(0)[TypeAddressField];
        var code = field.Component(1).GetString();
        var trigger = field.Component(2).GetString();
        return IsCode(code) && (trigger.Length == 0 || IsCode(trigger))
            ? trigger.Length == 0 ? code : $"{code}^{trigger}"
            : UnknownType;
    }

    private static bool IsCode(string text) =>
        text.Length is > 0 and <= CodeLengthMax && text.All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c) || c == '_');
}

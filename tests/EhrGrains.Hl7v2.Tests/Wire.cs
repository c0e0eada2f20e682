using System.Text;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Hl7v2.Tests;

/// <summary>Messages written as people read them: a segment a line, Latin-1 unless said otherwise.</summary>
internal static class Wire
{
    internal const string Header = @"MSH|^~\&|LAB|A|APP|B|20240131120000||ORU^R01^ORU_R01|42|P|2.5.1";

    internal static byte[] Bytes(params string[] segments) => Encoding.Latin1.GetBytes(string.Join('\r', segments) + "\r");

    internal static Hl7Message Message(params string[] segments) => Hl7Message.Parse(Bytes(segments));

    internal static string Text(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    internal static IEnumerable<Hl7WarningCode> Codes(this Hl7Message message) => message.Warnings.Select(warning => warning.Code);
}

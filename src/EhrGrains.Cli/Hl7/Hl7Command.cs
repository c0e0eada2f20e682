using System.CommandLine;

namespace EhrGrains.Cli.Hl7;

/// <summary><c>ehrgrains hl7 …</c>: HL7 v2 messages in files and over MLLP, without a cluster.</summary>
internal static class Hl7Command
{
    internal static Command Build() => new("hl7", "HL7 v2 messages: read them, prove that nothing is lost, send and receive them. Needs no cluster.")
    {
        CheckVerb.Build(),
        RoundtripVerb.Build(),
        ShowVerb.Build(),
        ToFhirVerb.Build(),
        SendVerb.Build(),
        ListenVerb.Build(),
    };
}

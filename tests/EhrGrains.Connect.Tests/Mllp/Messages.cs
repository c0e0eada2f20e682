using System.Text;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Connect.Tests.Mllp;

/// <summary>Messages as they are on the wire.</summary>
internal static class Messages
{
    internal static string Header(
        string id, string type = "ADT^A01^ADT_A01", string accept = "", string application = "", string sequence = "") =>
        $@"MSH|^~\&|EPIC|STMARY|EHRGRAINS|OPS|20260301120000||{type}|{id}|P|2.5.1|{sequence}||{accept}|{application}" + "\r";

    internal static string Adt(string id, string accept = "", string application = "") =>
        Header(id, accept: accept, application: application)
        + "EVN|A01|20260301120000\rPID|1||1234^^^MRN^MR||DOE^JANE||19700101|F\rPV1|1|I|W^101^1\r";
}

/// <summary>An acknowledgement as a sender reads it.</summary>
internal sealed record Ack(string Code, string ControlId, string Expected, string Error, string Location, string Raw, string OwnId)
{
    internal static Ack Read(byte[] content)
    {
        var message = Hl7Message.Parse(content);
        return new Ack(
            message["MSA-1"].GetString(), message["MSA-2"].GetString(), message["MSA-4"].GetString(), message["ERR-3.1"].GetString(),
            Encoding.Latin1.GetString(message["ERR-2"].Raw), Encoding.Latin1.GetString(content), message["MSH-10"].GetString());
    }
}

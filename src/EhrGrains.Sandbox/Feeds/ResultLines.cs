using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;
using static EhrGrains.Sandbox.Feeds.Hl7Text;

namespace EhrGrains.Sandbox.Feeds;

/// <summary>OBX segments: a chart's own results, and one more of each of the other value types in turn.</summary>
internal static class ResultLines
{
    // A picture of a report, small enough for a line.
    private static readonly string Document = Convert.ToBase64String(Encoding.ASCII.GetBytes("%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"));

    /// <summary>One Observation of the chart: NM, SN for <c>&lt;5</c>, ST for other texts, nothing at all with status X.</summary>
    public static string Of(int number, JsonObject observation, FeedVoice voice, Func<string?, string> time)
    {
        var (type, value, units, range) = ("", "", "", "");
        if (observation["valueQuantity"] is { } quantity)
        {
            (type, value) = ("NM", quantity["value"]!.ToJsonString());
            units = quantity["unit"] is { } unit ? Components((string?)unit, "", voice.Modern ? "UCUM" : "") : "";
            range = observation["referenceRange"] is { } ranges ? Escape((string?)ranges[0]!["text"]) : "";
        }
        else if ((string?)observation["valueString"] is { } text)
        {
            (type, value) = text[0] is '<' or '>' ? ("SN", Components(text[..1], text[1..])) : ("ST", Escape(text));
        }

        var status = type.Length == 0 ? "X" : (string?)observation["status"] switch { "preliminary" => "P", "corrected" => "C", "entered-in-error" => "W", _ => "F" };
        return Segment(
            "OBX", Number(number), type, FeedScript.Code(observation["code"], 0, "LN"), "", value, units, range, "", "", "", status, "", "",
            time((string?)observation["effectiveDateTime"]));
    }

    /// <summary>One more line of a value type that laboratories send and charts here do not have.</summary>
    public static string Extra(int number, SplitMix64 random, FeedVoice voice, string family)
    {
        var (coded, stamp) = voice.Modern ? ("CWE", "DTM") : ("CE", "TS");
        var (type, code, value) = random.Between(0, 11) switch
        {
            0 => ("TX", "8251-1^Comment^LN", "Specimen slightly hemolyzed."),
            1 => ("FT", "11502-2^Laboratory report^LN", @"\H\Impression\N\\.br\Within limits \T\ unchanged\.br\Next check: 3 months"),
            2 => (coded, "600-7^Bacteria identified^LN", "112283007^Escherichia coli^SCT~3092008^Staphylococcus aureus^SCT"),
            3 => ("DT", "8665-2^Last menstrual period^LN", "20260514"),
            4 => ("TM", "63474-1^Time of day^LN", "0745"),
            5 => (stamp, "8656-1^First report^LN", "20260601074500"),
            6 => ("ED", "60568-3^Report^LN", $"^application^pdf^Base64^{Document}"),
            7 => ("RP", "18748-4^Image^LN", "/images/2026/06/01/1^PACS^image^jpeg"),
            8 => ("CX", "57723-9^Specimen^LN", "S26-4711^^^LAB^SP"),
            9 => (voice.Modern ? "XPN" : "PN", "19009-0^Reported to^LN", $"{family}^Robin"),
            10 => ("NA", "11524-6^EKG lead I^LN", "0.1^0.15^0.4^0.12"),
            _ => ("MO", "64082-1^Charge^LN", "12.50^USD"),
        };
        return Segment("OBX", Number(number), type, code, "", value, "", "", "", "", "", "F");
    }

    private static string Number(int n) => n.ToString(CultureInfo.InvariantCulture);
}

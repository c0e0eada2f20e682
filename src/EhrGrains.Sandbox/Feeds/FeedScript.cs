using System.Globalization;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;
using static EhrGrains.Sandbox.Feeds.Hl7Text;

namespace EhrGrains.Sandbox.Feeds;

/// <summary>
/// What a hospital sends of one patient, told from the same chart that its FHIR server serves: visits from registration to
/// discharge with their results, updates, and for some a merge. Record numbers, FHIR ids, visits and reports are the FHIR side's.
/// </summary>
internal sealed class FeedScript
{
    private const string AssignerOid = "2.16.840.1.113883.3.9999.1";

    private readonly FeedVoice voice;
    private readonly IDialect dialect;
    private readonly TimeZoneInfo zone;
    private readonly IReadOnlyDictionary<string, JsonObject> practitioners;
    private readonly IReadOnlyList<JsonObject> chart;
    private readonly JsonObject patient;
    private readonly SplitMix64 random;

    public FeedScript(
        FeedVoice voice, IDialect dialect, TimeZoneInfo zone, IReadOnlyDictionary<string, JsonObject> practitioners,
        IReadOnlyList<JsonObject> chart, SplitMix64 random)
    {
        (this.voice, this.dialect, this.zone, this.practitioners, this.chart, this.random) = (voice, dialect, zone, practitioners, chart, random);
        patient = chart.First(static resource => Type(resource) == "Patient");
    }

    /// <summary>The messages in order: trigger, time of the event, and the segments after MSH.</summary>
    public IEnumerable<(string Trigger, string At, IReadOnlyList<string> Segments)> Tell()
    {
        foreach (var visit in chart.Where(static r => Type(r) == "Encounter").OrderBy(static r => (string?)r["period"]!["start"], StringComparer.Ordinal))
        {
            foreach (var message in TellVisit(visit))
            {
                yield return message;
            }
        }

        var updated = Later((string)chart.Last(static r => Type(r) == "Encounter")["period"]!["end"]!, 1440);
        if (random.Chance(40))
        {
            yield return ("ADT^A31", Time(updated), [Event("A31", updated), Identity(), Primary(), Visit(null, null, updated)]);
        }

        var away = chart.FirstOrDefault(r => Type(r) == "Patient" && r != patient);
        if (away is not null)
        {
            var merge = Segment("MRG", Identifier(voice.FhirIdType, FhirId(away)), "", "", "", "", "", Name(away));
            yield return ("ADT^A40", Time(updated), [Event("A40", updated), Identity(), Primary(), merge]);
        }
    }

    private IEnumerable<(string, string, IReadOnlyList<string>)> TellVisit(JsonObject visit)
    {
        var (start, end) = ((string)visit["period"]!["start"]!, (string)visit["period"]!["end"]!);
        var act = (string)visit["class"]!["code"]!;
        var admitted = act == "IMP" ? "A01" : "A04";
        if (act == "IMP")
        {
            yield return Adt("A05", Later(start, -1440), visit, full: false);
        }

        yield return Adt(admitted, start, visit, full: true);
        if (act == "IMP" && random.Chance(10))
        {
            yield return Adt("A11", Later(start, 5), visit, full: false);
            yield return Adt("A01", Later(start, 9), visit, full: true);
        }

        if (act == "IMP" && random.Chance(60))
        {
            yield return Adt("A02", Later(start, 240), visit, full: false);
        }

        foreach (var report in chart.Where(r => Type(r) == "DiagnosticReport" && Id(r["encounter"]) == Id(visit)))
        {
            yield return ("ORU^R01", Time((string)report["issued"]!), [Identity(), Visit(visit, null, start), .. Results(report)]);
        }

        if (random.Chance(30))
        {
            yield return Adt("A08", Later(start, 300), visit, full: true);
        }

        if (act == "AMB" || (string?)visit["status"] == "in-progress")
        {
            yield break;
        }

        yield return Adt("A03", end, visit, full: false);
        if (random.Chance(8))
        {
            yield return Adt("A13", Later(end, 7), visit, full: false);
            yield return Adt("A03", Later(end, 60), visit, full: false);
        }
    }

    private (string, string, IReadOnlyList<string>) Adt(string trigger, string at, JsonObject visit, bool full)
    {
        var segments = new List<string> { Event(trigger, at), Identity(), Primary(), Visit(visit, trigger, at) };
        if (full)
        {
            segments.AddRange(Known("AllergyIntolerance", (i, r) => Segment("AL1", i, "DA", Code(r["code"], 0, "SCT"), Severity(r))));
            segments.AddRange(Known("Condition", (i, r) => Segment("DG1", i, "", Code(r["code"], 1, "I10"), "", Time((string?)r["recordedDate"]), "F")));
            segments.AddRange(Known("Coverage", Insurance));
        }

        if (voice.OwnSegment is { } own)
        {
            segments.Add(Segment(own, "1", FhirId(patient), Escape((string?)patient["name"]![0]!["text"]), trigger));
        }

        return ($"ADT^{trigger}", Time(at), segments);
    }

    private string Insurance(string number, JsonObject coverage)
    {
        var fields = new string?[36];
        (fields[0], fields[1], fields[2]) = (number, "STD", "PAYER");
        fields[3] = Components((string?)coverage["payor"]![0]!["display"]);
        fields[11] = Time((string?)coverage["period"]!["start"]);
        fields[35] = Escape((string?)coverage["subscriberId"]);
        return Segment("IN1", fields);
    }

    private IEnumerable<string> Known(string type, Func<string, JsonObject, string> write) =>
        chart.Where(r => Type(r) == type).Select((r, i) => write((i + 1).ToString(CultureInfo.InvariantCulture), r));

    private string Event(string trigger, string at) => Segment("EVN", trigger, Time(at), "", "", voice.Modern ? Components("SYS", "INTERFACE") : "");

    // PID-3: the record number, and the id that the FHIR server gives.
    private string Identity()
    {
        var address = patient["address"]![0]!;
        var gender = (string?)patient["gender"] switch { "male" => "M", "female" => "F", _ => "U" };
        var died = (string?)patient["deceasedDateTime"];
        var phone = (string?)patient["telecom"]?[0]!["value"];
        return Segment(
            "PID", "1", "",
            $"{Identifier("MR", (string)patient["identifier"]![0]!["value"]!)}~{Identifier(voice.FhirIdType, FhirId(patient))}",
            "", Name(patient), "", Time((string?)patient["birthDate"]), gender, "", "",
            Components((string?)address["line"]![0], "", (string?)address["city"], (string?)address["state"], (string?)address["postalCode"], (string?)address["country"], "H"),
            "", phone is null ? "" : Components(phone, "PRN", "PH"), "", "", "", "", "", "", "", "", "", "", "", "", "", "", "",
            died is null ? "" : Time(died), died is null ? "" : "Y");
    }

    private string Primary() => Segment("PD1", "", "", "", Doctor(patient["generalPractitioner"]![0]));

    private string Visit(JsonObject? visit, string? trigger, string at)
    {
        var fields = new string?[45];
        fields[0] = "1";
        fields[1] = "N";
        if (visit is not null)
        {
            var place = int.Parse(Id(visit["location"]![0]!["location"]), CultureInfo.InvariantCulture) % 100;
            var floor = trigger == "A02" ? place + 1 : place;
            fields[1] = (string?)visit["class"]!["code"] switch { "IMP" => trigger == "A05" ? "P" : "I", "EMER" => "E", _ => "O" };
            fields[2] = Components($"{floor}W", (100 + floor).ToString(CultureInfo.InvariantCulture), "1", voice.Authority);
            fields[5] = trigger == "A02" ? Components($"{place}W", (100 + place).ToString(CultureInfo.InvariantCulture), "1", voice.Authority) : "";
            fields[6] = Doctor(visit["participant"]![0]!["individual"]);
            fields[18] = Components(dialect.Id("Encounter", Id(visit)), "", "", voice.Authority, "VN");
            fields[35] = trigger == "A03" ? "01" : "";
            fields[43] = Time((string?)visit["period"]!["start"]);
            fields[44] = trigger is "A03" ? Time(at) : "";
        }

        return Segment("PV1", fields);
    }

    private IEnumerable<string> Results(JsonObject report)
    {
        var filler = Components(dialect.Id("DiagnosticReport", Id(report)), voice.Authority);
        var status = (string?)report["status"] == "final" ? "F" : "P";
        var code = Code(report["code"], 0, "LN");
        yield return Segment("ORC", "RE", "", filler, "", "CM");
        yield return Segment(
            "OBR", "1", "", filler, code, "", "", Time((string?)report["effectiveDateTime"]), "", "", "", "", "", "", "", "", "", "", "", "", "", "",
            Time((string?)report["issued"]), "", "LAB", status);
        var ids = report["result"]!.AsArray().Select(Id).ToArray();
        var n = 0;
        foreach (var observation in chart.Where(r => Type(r) == "Observation" && ids.Contains(Id(r))))
        {
            yield return ResultLines.Of(++n, observation, voice, Time);
        }

        yield return ResultLines.Extra(++n, random, voice, Escape((string?)patient["name"]![0]!["family"]));
        yield return Segment("NTE", "1", "L", Escape("Reported by A&B Laboratory | see portal"));
    }

    private string Identifier(string type, string value) =>
        $"{Escape(value)}^^^{Escape(voice.Authority)}{(type == "MR" ? $"&{AssignerOid}&ISO" : "")}^{type}";

    private static string Name(JsonObject of)
    {
        var name = of["name"]![0]!;
        var given = name["given"]?.AsArray();
        return Components((string?)name["family"], (string?)given?[0], given?.Count > 1 ? (string?)given[1] : "", "", "", "", "L");
    }

    private string Doctor(JsonNode? reference)
    {
        if (reference is null || !practitioners.TryGetValue(Id(reference), out var who))
        {
            return "";
        }

        return Components(
            (string?)who["identifier"]![0]!["value"], (string?)who["name"]![0]!["family"], (string?)who["name"]![0]!["given"]![0], "", "", "", "", "",
            "NPI", "L", "", "", "NPI");
    }

    private string FhirId(JsonObject of) => dialect.Id("Patient", Id(of));

    private string Time(string? fhir) => Hl7Text.Time(fhir, zone, voice.Modern);

    private static string Later(string instant, int minutes) =>
        Elements.Instant(DateTimeOffset.Parse(instant, CultureInfo.InvariantCulture).UtcDateTime.AddMinutes(minutes));

    private static string Severity(JsonObject allergy) => (string?)allergy["criticality"] switch { "high" => "SV", "low" => "MI", _ => "U" };

    internal static string Code(JsonNode? concept, int coding, string system) => Components(
        (string?)concept!["coding"]![Math.Min(coding, concept["coding"]!.AsArray().Count - 1)]!["code"],
        (string?)concept["text"] ?? (string?)concept["coding"]![0]!["display"], system);

    private static string Type(JsonObject resource) => (string)resource["resourceType"]!;

    private static string Id(JsonNode? node) => (string?)node!["id"] ?? ((string)node["reference"]!).Split('/')[1];
}

using System.Globalization;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>Writes docs/reference/v2-to-fhir.md: what is covered of the guide, and where another project is not followed.</summary>
internal static class GuideReference
{
    internal static string Write()
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture) { NewLine = "\n" };
        text.WriteLine("""
            # HL7 v2 to FHIR: what is covered

            <!-- Made from the rules by tests/EhrGrains.Fhir.Tests; do not edit. -->

            The rules are `src/EhrGrains.Fhir/V2/Rules/*.rules`; [0012](../decisions/0012-v2-rules.md) has their language. They follow the
            HL7 guide *HL7 Version 2 to FHIR* 1.0.0 (STU 1) where it has a rule, and common practice where it has none.
            `ehrgrains hl7 to-fhir FILE --explain` says for a message which line of which file made what of every part of it.

            What a message says of itself (MessageHeader, and its own Provenance by MSH, EVN and SFT) is in the Bundle of `hl7 to-fhir`. A
            patient's record has what is of the patient: the Provenance of an order (ORC) or of an update (PID-33, PID-34), and in
            `meta.source` and the history of every resource the message that it came from; `_source` searches by it.

            ## How another project's bundles are compared

            A bundle is a set of facts: resource type and path of an element without indexes, and its value. Left out are ids, references,
            meta, narrative and extensions that are not HL7's. Date-times are instants, to the minute: a time that a message states with
            an offset is the same in any other; one without an offset is in the zone of the site, which is UTC unless the site says
            otherwise. Recall is the share of the expected facts that are found, precision the share of ours that were expected.

            ## Where we differ by choice

            | element | the other project | we | because |
            |---|---|---|---|
            """.ReplaceLineEndings("\n"));
        foreach (var (path, theirs, ours, why) in ChosenDifferences.All)
        {
            text.WriteLine($"| `{path}` | {theirs} | {ours} | {why} |");
        }

        text.WriteLine();
        text.WriteLine("## The guide's maps of segments");
        WriteMaps(text, GuideCoverage.Segments());
        text.WriteLine();
        text.WriteLine("## The guide's maps of data types");
        WriteMaps(text, GuideCoverage.DataTypes());
        return text.ToString();
    }

    private static void WriteMaps(StringWriter text, IEnumerable<GuideRow> rows)
    {
        text.WriteLine();
        text.WriteLine("Rows that have a place in FHIR, how many have a rule and in which files, and why the others have none.");
        text.WriteLine();
        text.WriteLine("| map | rows | with a rule | without |");
        text.WriteLine("|---|---|---|---|");
        foreach (var map in rows.GroupBy(row => row.Map).OrderBy(map => map.Key, StringComparer.Ordinal))
        {
            var judged = map.Select(row => (Row: row, Verdict: GuideCoverage.Judge(row))).ToList();
            var files = judged.SelectMany(one => one.Verdict.Files).Distinct().Order(StringComparer.Ordinal).ToList();
            var without = judged.Where(one => one.Verdict.Files.Count == 0)
                .GroupBy(one => one.Verdict.Reason ?? "no reason", one => one.Row.Part)
                .Select(group => $"{string.Join(", ", group.Distinct())}: {group.Key}");
            text.WriteLine(
                $"| {map.Key} | {judged.Count} | {judged.Count(one => one.Verdict.Files.Count > 0)}{(files.Count > 0 ? $" ({string.Join(", ", files)})" : "")} | {string.Join("; ", without)} |");
        }
    }
}

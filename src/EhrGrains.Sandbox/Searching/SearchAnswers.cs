using System.Buffers;
using System.Text.Json;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Faults;
using EhrGrains.Sandbox.Hospitals;
using EhrGrains.Sandbox.Tokens;
using EhrGrains.Sandbox.Vendors;

namespace EhrGrains.Sandbox.Searching;

/// <summary>Answers searches and their pages with searchset Bundles.</summary>
internal sealed class SearchAnswers(
    IVendor vendor, ChartStore charts, PageSeal seal, TimeZoneInfo zone, string fhirBase, int? matchesMax)
{
    private static readonly JsonWriterOptions Unescaped =
        new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };
    private static readonly byte[] EntriesStart = ",\"entry\":["u8.ToArray();
    private static readonly byte[] EntriesEnd = "]}"u8.ToArray();
    private static readonly byte[] NoEntries = "}"u8.ToArray();

    private readonly SearchRules rules = vendor.Searches;

    public Answer Search(SearchRequest request, string self, Grant grant, FaultSet faults)
    {
        var place = new PagePlace(0, 0, request.Type, "");
        if (request.Page is not null)
        {
            if (faults.Has(FaultKind.SessionExpired) || seal.Open(request.Page) is not { } opened || opened.Type != request.Type)
            {
                return Outcomes.Refuse(vendor, new Finding(Trouble.SessionExpired, rules.PageParameter));
            }

            place = opened;
            request = request.Continue(place, rules);
        }

        if (SearchPlan.Make(request, vendor, zone, out var refusal) is not { } plan)
        {
            return Outcomes.Refuse(vendor, refusal!);
        }

        if (request.WithProvenance && !grant.Allows("Provenance", Rights.Read))
        {
            return Outcomes.Refuse(vendor, new Finding(Trouble.ScopeMissing, "_revinclude"));
        }

        if (request.First("patient") is { } patient && charts.IsRestricted(SearchRequest.IdOf(patient)))
        {
            return Outcomes.Refuse(vendor, new Finding(Trouble.Confidential));
        }

        var matches = plan.Run(charts);
        if (request.Type == "Patient" && matches.Length > rules.PatientMatchesMax)
        {
            return rules.TooManyInside
                ? Write(plan, [], 0, null, self, [new Finding(Trouble.TooManyMatches)], faults)
                : Outcomes.Refuse(vendor, new Finding(Trouble.TooManyMatches));
        }

        return matches.Length > matchesMax
            ? Outcomes.Refuse(vendor, new Finding(Trouble.TooLarge))
            : Page(plan, matches, place, self, faults);
    }

    private Answer Page(SearchPlan plan, StoredResource[] matches, PagePlace place, string self, FaultSet faults)
    {
        var count = plan.Count;
        var first = place.Offset == 0;
        if (rules.SocialHistoryFirst && Array.FindAll(matches, static resource => resource.IsSocialHistory) is { Length: > 0 } social)
        {
            matches = [.. social, .. matches.Where(resource => !resource.IsSocialHistory)];
            count += first ? social.Length : 0;
        }

        var start = !first && rules.RepeatsLastOfPage ? place.Offset - 1 : place.Offset;
        var end = Math.Min(matches.Length, place.Offset + count);
        var shown = faults.Has(FaultKind.RepeatedPage) ? matches[..(end - start)] : matches[start..end];
        if (faults.Has(FaultKind.ShuffledPage))
        {
            Array.Reverse(shown);
        }

        if (plan.After.Count > 0)
        {
            shown = Array.FindAll(shown, resource => SearchPlan.Holds(plan.After, resource));
        }

        var findings = first && matches.Length == 0 ? [.. plan.Request.Notes, new Finding(Trouble.NoResults)] : plan.Request.Notes;
        var next = Next(plan, end, matches.Length, shown.Length, self, faults);
        return Write(plan, shown, matches.Length, next, self, findings, faults);
    }

    private string? Next(SearchPlan plan, int end, int total, int shown, string self, FaultSet faults)
    {
        if (faults.Has(FaultKind.SelfNext))
        {
            return self;
        }

        if (end >= total && !(rules.EndsWithEmptyPage && shown > 0) && !faults.Has(FaultKind.EndlessPaging) && !faults.Has(FaultKind.ForeignNext))
        {
            return null;
        }

        var place = new PagePlace(end < total || rules.EndsWithEmptyPage ? end : 0, plan.Count, plan.Request.Type, plan.Request.ToQuery());
        var origin = faults.TryGet(FaultKind.ForeignNext, out var foreign)
            ? foreign.Url.TrimEnd('/') + new Uri(fhirBase).AbsolutePath
            : fhirBase;
        return $"{origin}/{plan.Request.Type}?{rules.PageParameter}={seal.Seal(place)}";
    }

    private Answer Write(
        SearchPlan plan, StoredResource[] shown, int total, string? next, string self, IReadOnlyList<Finding> findings, FaultSet faults)
    {
        var head = new ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(head, Unescaped))
        {
            writer.WriteStartObject();
            writer.WriteString("resourceType"u8, "Bundle"u8);
            writer.WriteString("type"u8, "searchset"u8);
            // A count made before the filters that come after it would be wrong.
            if (rules.CountsTotal && plan.After.Count == 0 && !faults.Has(FaultKind.MissingTotal))
            {
                writer.WriteNumber("total"u8, faults.Has(FaultKind.ShrinkingTotal) ? shown.Length / 2 : rules.TotalIsOfPage ? shown.Length : total);
            }

            writer.WriteStartArray("link"u8);
            WriteLink(writer, "self"u8, self);
            if (next is not null)
            {
                WriteLink(writer, "next"u8, next);
            }

            writer.WriteEndArray();
        }

        var answer = new Answer(200, Answer.FhirJson, head.WrittenMemory);
        var entries = Entries(plan, shown, findings, faults);
        if (entries.Count == 0)
        {
            answer.Append(NoEntries);
            return answer;
        }

        answer.Append(EntriesStart);
        for (var i = 0; i < entries.Count; i++)
        {
            // Each entry brings the comma before it; the first has nothing before it.
            answer.Append(i == 0 ? entries[i][1..] : entries[i]);
        }

        answer.Append(EntriesEnd);
        return answer;
    }

    private List<ReadOnlyMemory<byte>> Entries(SearchPlan plan, StoredResource[] shown, IReadOnlyList<Finding> findings, FaultSet faults)
    {
        var entries = new List<ReadOnlyMemory<byte>>(shown.Length + 1);
        foreach (var resource in shown)
        {
            entries.Add(resource.MatchEntry);
        }

        if (plan.Request.WithProvenance)
        {
            entries.AddRange(shown.SelectMany(charts.ProvenanceOf).Distinct().Select(resource => resource.IncludeEntry));
        }

        if (faults.Has(FaultKind.OtherPatient) && Stranger(plan.Request) is { } stranger)
        {
            entries.Add(stranger.MatchEntry);
        }

        if (faults.Has(FaultKind.Partial))
        {
            findings = [.. findings, new Finding(Trouble.Incomplete)];
        }

        if (findings.Count > 0)
        {
            entries.Add(Outcomes.WriteEntry(vendor, findings));
        }

        return entries;
    }

    /// <summary>A resource of the type that belongs to another patient than the one asked for.</summary>
    private StoredResource? Stranger(SearchRequest request)
    {
        var asked = SearchRequest.IdOf(request.First("patient") ?? request.First("subject") ?? request.First("_id") ?? "");
        return Array.Find(charts.OfType(request.Type), resource => resource.Patient is not null && resource.Patient != asked);
    }

    private static void WriteLink(Utf8JsonWriter writer, ReadOnlySpan<byte> relation, string url)
    {
        writer.WriteStartObject();
        writer.WriteString("relation"u8, relation);
        writer.WriteString("url"u8, url);
        writer.WriteEndObject();
    }
}

using System.Buffers;
using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Grains.Query;

/// <summary>One answer of the EHR as it is now and of what only the patient record has: the record's pages follow the EHR's.</summary>
internal sealed partial class QueryFlow
{
    private async Task<QueryAnswer> JoinAsync(
        QueryScope query, FhirSearch search, JoinState join, QueryAnswer live, CancellationToken cancellationToken)
    {
        if (join.IsFull)
        {
            return live with { Issues = [.. live.Issues, NotJoined($"The EHR has more than {JoinState.SeenMax} matches")] };
        }

        var whole = search with { Parameters = join.Parameters, Cursor = null, Freshness = Freshness.Record };
        var kept = await records.SearchAsync(query, whole, TimeSpan.MaxValue, join.Seen, cancellationToken);
        if (kept is null && RecordScope.Of(whole).Patient is { } patient && Admission.MayInclude(query.Caller, query.Snapshot)("Patient"))
        {
            // The EHR's id of a patient is linked to the record when the Patient passes: here it passes for that alone.
            using var read = await RunReadAsync(query, new FhirRead { Type = "Patient", Id = patient, GatewayBase = search.GatewayBase }, cancellationToken);
            kept = await records.SearchAsync(query, whole, TimeSpan.MaxValue, join.Seen, cancellationToken);
        }

        if (kept is not { Succeeded: true })
        {
            var why = kept?.Issues.Select(issue => issue with { Severity = "warning" }) ?? [NotJoined("There is no patient record for this search")];
            return live with { Issues = [.. live.Issues, .. why] };
        }

        using (kept)
        {
            var content = live.Content!;
            if (!content.Written.IsEmpty && !kept.Content!.Written.IsEmpty)
            {
                content.Write(","u8);
            }

            content.Write(kept.Content!.Written);
            return live with
            {
                Total = null,
                Next = kept.Next,
                Issues = [.. live.Issues, .. kept.Issues],
                Entries = live.Entries + kept.Entries,
                Patients = [.. live.Patients.Union(kept.Patients, StringComparer.Ordinal)],
                AgeSeconds = kept.AgeSeconds,
            };
        }
    }

    // Only a tenant whose messages make records has any to link to.
    private async ValueTask LinkAsync(QueryScope query, string type, PooledBuffer content, CancellationToken cancellationToken)
    {
        if (type == "Patient" && Array.Exists(query.Spec.Feeds, feed => feed.Inbound is not null))
        {
            await links.LinkAsync(query.Tenant, content.WrittenMemory, cancellationToken);
        }
    }

    private static OutcomeIssue NotJoined(string why) => new("warning", "incomplete", $"{why}: this is what the EHR has alone.", "EHR-QRY-026");
}

using System.Globalization;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Bundles;
using EhrGrains.Storage.Records;

namespace EhrGrains.Grains.Query;

/// <summary>The versions of one resource (R4 http.html#history).</summary>
internal sealed partial class RecordAnswers
{
    private const int VersionsMax = 1000;

    /// <summary>
    /// The versions of a resource, newest first, or the next page of them; null when no record has or had it. What is written after the
    /// first page is not in the later ones.
    /// </summary>
    internal async Task<QueryAnswer?> HistoryAsync(
        QueryScope query, FhirHistory history, RecordCursor? cursor, CancellationToken cancellationToken)
    {
        var key = new RecordKey(history.Type, history.Id);
        if ((cursor?.Patient ?? await RecordOfAsync(query.Tenant, key, cancellationToken)) is not { } patient)
        {
            return null;
        }

        var count = Math.Clamp(history.CountMax, 1, VersionsMax);
        var skip = cursor?.From.AfterId is { } at ? long.Parse(at, CultureInfo.InvariantCulture) : 0;
        var part = new HistoryPart(count + 1, history.Since, cursor?.From.AsOf, skip);
        var found = await store.HistoryAsync(query.Tenant, patient, key, part, cancellationToken);
        if (found.Count == 0 && history.Since is null)
        {
            return null;
        }

        var versions = found.Take(count).ToArray();
        var next = found.Count == versions.Length ? null : await cursors.SealAsync(
            new CursorScope(query.Tenant, query.Caller.App, history.Type),
            PositionOf(query.Tenant, new RecordCursor(
                patient, new RecordPosition(key.Type, (skip + count).ToString(CultureInfo.InvariantCulture), cursor?.From.AsOf ?? found[0].At), null, [], [])),
            null,
            cancellationToken);
        var content = new PooledBuffer(versions.Sum(version => version.Content.Length + 512));
        HistoryWriter.Write(
            content,
            history.GatewayBase,
            key.ToString(),
            [.. versions.Select(version => new HistoryVersion(version.Version, version.At, version.Content))],
            QueryOf(history, history.Cursor),
            next is null ? null : QueryOf(history, next));
        return new QueryAnswer { Status = 200, Content = content, Entries = versions.Length, Patients = [patient.Value], AgeSeconds = 0 };
    }

    private async ValueTask<PatientId?> RecordOfAsync(TenantId tenant, RecordKey key, CancellationToken cancellationToken) =>
        key.Type == "Patient" ? PatientOf(key.Id) : await directory.FindAsync(tenant, key, cancellationToken);

    // What a page was asked with, so that its links say the same.
    private static string QueryOf(FhirHistory history, string? cursor)
    {
        var parameters = new List<SearchParameter>();
        if (history.CountMax < VersionsMax)
        {
            parameters.Add(new("_count", history.CountMax.ToString(CultureInfo.InvariantCulture)));
        }

        if (history.Since is { } since)
        {
            parameters.Add(new("_since", since.ToString("O", CultureInfo.InvariantCulture)));
        }

        if (cursor is not null)
        {
            parameters.Add(new(FhirSearch.CursorParameter, cursor));
        }

        return parameters.Count == 0 ? "" : "?" + RecordCursor.WriteQuery(parameters);
    }
}

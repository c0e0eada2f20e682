using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Charts;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.Records;

namespace EhrGrains.Grains.Query;

/// <summary>
/// Answers queries from the patient records of a tenant. The caller is admitted and the intent on the audit trail before it comes
/// here (I5). Thread-safe; holds nothing.
/// </summary>
internal sealed partial class RecordAnswers(
    IGrainFactory grains, CallerTickets tickets, RecordStore store, RecordDirectory directory, EhrPatientLinks links, Cursors cursors, TimeProvider time)
{
    /// <summary>How many merges are followed from the record that was asked for: more is a circle.</summary>
    private const int MovesMax = 8;

    /// <summary>
    /// Searches, from the first page, without the resources named; null when the records cannot answer: there is none, or it is older
    /// than allowed.
    /// </summary>
    internal async Task<QueryAnswer?> SearchAsync(
        QueryScope query, FhirSearch search, TimeSpan ageMax, IReadOnlyList<string> without, CancellationToken cancellationToken)
    {
        if (!ChartQuery.TryParse(search.Type, search.Parameters, ContextOf(query, search), search.Handling, out var read, out var issues))
        {
            return QueryAnswer.Refuse(400, issues);
        }

        var scope = RecordScope.Of(search);
        var patient = scope.Patient is { } named ? PatientOf(named)
            : scope.Id is { } id && !ChartTerms.Types.Contains(search.Type) ? await directory.FindAsync(query.Tenant, new RecordKey(search.Type, id), cancellationToken)
            : null;
        if (patient is { } known)
        {
            var page = await AskAsync(query.Tenant, known, record => RecordSearchOf(query, search, read, record, null), cancellationToken);
            return await ToAnswerAsync(new Asked(query, search, read, issues, without), page, null, ageMax, cancellationToken);
        }

        if (scope.Patient is not null || scope.IsSeveral || !ChartTerms.Types.Contains(search.Type))
        {
            return scope.Patient is null && scope.Id is null ? NeedsPatient(search.Type) : null;
        }

        return await SearchTenantAsync(new Asked(query, search, read, issues, without), null, cancellationToken);
    }

    /// <summary>Goes on with a search where its cursor says.</summary>
    internal async Task<QueryAnswer> GoOnAsync(QueryScope query, FhirSearch search, RecordCursor cursor, CancellationToken cancellationToken)
    {
        var again = search with { Parameters = [.. cursor.Parameters], Cursor = null };
        if (!ChartQuery.TryParse(search.Type, again.Parameters, ContextOf(query, search), SearchHandling.Lenient, out var read, out var issues))
        {
            return QueryAnswer.Refuse(400, issues);
        }

        if (cursor.Patient is not { } patient)
        {
            return await SearchTenantAsync(new Asked(query, again, read, [], cursor.Without), cursor, cancellationToken);
        }

        var page = await AskAsync(query.Tenant, patient, record => RecordSearchOf(query, again, read, record, cursor.From), cancellationToken);
        return await ToAnswerAsync(new Asked(query, again, read, [], cursor.Without), page, cursor.Total, TimeSpan.MaxValue, cancellationToken) ?? Gone();
    }

    /// <summary>Reads one resource; null when no record has or had it, or the record is older than allowed.</summary>
    internal async Task<QueryAnswer?> ReadAsync(QueryScope query, FhirRead read, TimeSpan ageMax, CancellationToken cancellationToken)
    {
        var key = new RecordKey(read.Type, read.Id);
        var patient = await RecordOfAsync(query.Tenant, key, cancellationToken);
        if (patient is not { } known)
        {
            return null;
        }

        if (read.Version is { } version)
        {
            return await store.ReadVersionAsync(query.Tenant, known, key, version, cancellationToken) is { } old ? Of(old, known) : null;
        }

        using var system = tickets.EnterSystem();
        var page = await grains.GetGrain<IPatientRecordGrain>(GrainKeys.Patient(query.Tenant, known)).ReadAsync(key, cancellationToken);
        if (page.At is not { } at || AgeOf(at) > ageMax)
        {
            return null;
        }

        if (page.Matches is [var entry])
        {
            return Of(new ChartResource(entry.Key.Type, entry.Key.Id, entry.Version, entry.At, ChangeKind.Updated, "", entry.Json), known) with
            {
                AgeSeconds = Seconds(at),
            };
        }

        // A resource that was is told from one that never was (R4 http.html#read).
        var last = await store.HistoryAsync(query.Tenant, known, key, new HistoryPart(1), cancellationToken);
        return last.Count == 0 ? null : Of(last[0], known);
    }

    /// <summary>Everything of one patient, or the next page of it; null when there is no such record.</summary>
    internal async Task<QueryAnswer?> EverythingAsync(
        QueryScope query, FhirEverything everything, RecordCursor? cursor, CancellationToken cancellationToken)
    {
        var parameters = cursor is null ? everything.Parameters : [.. cursor.Parameters];
        var context = new ChartContext(query.Zone, time.GetUtcNow(), everything.GatewayBase);
        if (!ChartWindow.TryParse(parameters, context, out var window, out var issues))
        {
            return QueryAnswer.Refuse(400, issues);
        }

        if ((cursor?.Patient ?? PatientOf(everything.Patient)) is not { } patient)
        {
            return null;
        }

        var page = await AskAsync(
            query.Tenant,
            patient,
            _ => new RecordSearch
            {
                Type = null,
                Parameters = parameters,
                GatewayBase = everything.GatewayBase,
                MayInclude = query.Readable(),
                From = cursor?.From,
            },
            cancellationToken);
        if (page.At is not { } at)
        {
            return null;
        }

        return new QueryAnswer
        {
            Status = 200,
            Content = Write(page, everything.GatewayBase, ChartDetail.Whole, []),
            Total = page.Total,
            Next = await SealAsync(query, "Patient", page, page.Total, parameters, [], cancellationToken),
            Used = window.Used,
            Entries = page.Matches.Length,
            Patients = [page.Patient.Value],
            AgeSeconds = Seconds(at),
        };
    }

    private ChartContext ContextOf(QueryScope query, FhirSearch search) => new(query.Zone, time.GetUtcNow(), search.GatewayBase);

    private static RecordSearch RecordSearchOf(QueryScope query, FhirSearch search, ChartQuery read, PatientId record, RecordPosition? from) => new()
    {
        Type = search.Type,
        Parameters = RecordScope.In(record, search),
        GatewayBase = search.GatewayBase,
        MayInclude = read.HasIncludes ? query.Readable() : [],
        From = from,
    };

    // A record that was merged says where it has gone, and the EHR's id of a patient leads to the record that it was linked to.
    private async Task<RecordPage> AskAsync(TenantId tenant, PatientId patient, Func<PatientId, RecordSearch> search, CancellationToken cancellationToken)
    {
        using var system = tickets.EnterSystem();
        for (var moves = 0; ; moves++)
        {
            var page = await grains.GetGrain<IPatientRecordGrain>(GrainKeys.Patient(tenant, patient)).SearchAsync(search(patient), cancellationToken);
            var next = page.MovedTo ?? (page.At is null && moves == 0 ? await links.FindAsync(tenant, patient.Value, cancellationToken) : null);
            if (next is not { } other || moves == MovesMax)
            {
                return page;
            }

            patient = other;
        }
    }

    private async Task<QueryAnswer?> ToAnswerAsync(Asked asked, RecordPage page, int? total, TimeSpan ageMax, CancellationToken cancellationToken)
    {
        if (page.At is not { } at || AgeOf(at) > ageMax)
        {
            return null;
        }

        page = asked.Unknown(page);
        var (query, search, read, issues, without) = asked;
        total = page.Total ?? total;
        return new QueryAnswer
        {
            Status = 200,
            Content = Write(page, search.GatewayBase, read.Detail, read.Elements),
            Total = total,
            Next = await SealAsync(query, search.Type, page, total, search.Parameters, without, cancellationToken),
            Used = read.Used,
            Issues = issues,
            Entries = page.Matches.Length + page.Included.Length,
            Patients = [page.Patient.Value],
            AgeSeconds = Seconds(at),
        };
    }

    private async ValueTask<string?> SealAsync(
        QueryScope query,
        string type,
        RecordPage page,
        int? total,
        IReadOnlyList<SearchParameter> parameters,
        IReadOnlyList<string> without,
        CancellationToken cancellationToken)
    {
        if (page.Next is not { } next)
        {
            return null;
        }

        var cursor = new RecordCursor(page.Patient == default ? null : page.Patient, next, total, parameters, without);
        return await cursors.SealAsync(new CursorScope(query.Tenant, query.Caller.App, type), PositionOf(query.Tenant, cursor), null, cancellationToken);
    }

    private static SearchPosition PositionOf(TenantId tenant, RecordCursor cursor) =>
        new(new Dictionary<string, string>(StringComparer.Ordinal) { [tenant.Value] = cursor.Write() }, 2);

    private static PooledBuffer Write(RecordPage page, string gatewayBase, ChartDetail detail, IReadOnlyList<string> elements)
    {
        var content = new PooledBuffer(page.Matches.Concat(page.Included).Sum(entry => entry.Json.Length + 128 + gatewayBase.Length));
        foreach (var (entries, mode) in new[] { (page.Matches, "match"), (page.Included, "include") })
        {
            foreach (var entry in entries)
            {
                if (!content.Written.IsEmpty)
                {
                    Encoding.UTF8.GetBytes(",", content);
                }

                ChartWriter.WriteEntry(
                    content, gatewayBase, new ChartEntry(entry.Key.Type, entry.Key.Id, entry.Version, entry.At, entry.Json), mode, detail, elements);
            }
        }

        return content;
    }

    private static QueryAnswer Of(ChartResource version, PatientId patient)
    {
        if (version.Content.IsEmpty)
        {
            return QueryAnswer.Refuse(410, "deleted", "EHR-QRY-020", "This was deleted, or moved to another record; its history has what it was.");
        }

        var content = new PooledBuffer(version.Content.Length);
        System.Buffers.BuffersExtensions.Write(content, version.Content.Span);
        return new QueryAnswer
        {
            Status = 200,
            Content = content,
            ETag = $"W/\"{version.Version}\"",
            LastModified = version.At,
            Entries = 1,
            Patients = [patient.Value],
        };
    }

    private static PatientId? PatientOf(string id) => PatientId.TryParse(id, null, out var patient) ? patient : null;

    private static QueryAnswer NeedsPatient(string type) => QueryAnswer.Refuse(
        400, "required", "EHR-QRY-018", $"A search of {type} in the patient records names one patient: patient=…, subject=Patient/… or, with one value, _id=….");

    private static QueryAnswer Gone() => QueryAnswer.Refuse(
        410, "expired", "EHR-QRY-022", "The record that this search goes on in is not there any more. Start the search again.");

    private TimeSpan AgeOf(DateTimeOffset at) => time.GetUtcNow() - at;

    private int Seconds(DateTimeOffset at) => (int)Math.Clamp(AgeOf(at).TotalSeconds, 0, int.MaxValue);

    // A search that was read, and what of its answer is known already.
    private sealed record Asked(
        QueryScope Query, FhirSearch Search, ChartQuery Read, IReadOnlyList<OutcomeIssue> Issues, IReadOnlyList<string> Without)
    {
        internal RecordPage Unknown(RecordPage page)
        {
            if (Without.Count == 0)
            {
                return page;
            }

            var known = Without.ToHashSet(StringComparer.Ordinal);
            return page with
            {
                Matches = [.. page.Matches.Where(entry => !known.Contains(entry.Key.ToString()))],
                Included = [.. page.Included.Where(entry => !known.Contains(entry.Key.ToString()))],
            };
        }
    }
}

using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;

namespace EhrGrains.Grains.Query;

/// <summary>
/// Where an answer comes from (RFC 9111 §5.2.1): the patient record when it is young enough for the query or else the tenant, and the
/// EHR otherwise. A cursor goes on where its search began.
/// </summary>
internal sealed partial class QueryFlow
{
    /// <summary>Everything that the record has of one patient.</summary>
    internal async Task<QueryAnswer> EverythingAsync(
        TenantId tenant, Caller caller, FhirEverything everything, CancellationToken cancellationToken)
    {
        var (snapshot, refusal) = await AdmitAsync(tenant, caller, "Patient", Interactions.Read, cancellationToken);
        if (refusal is not null)
        {
            return refusal;
        }

        var query = new QueryScope(tenant, caller, snapshot!, normalizers.For(tenant, snapshot!));
        return await AuditedAsync(query, "everything", "Patient", [everything.Patient], RunAsync, cancellationToken);

        async Task<QueryAnswer> RunAsync()
        {
            var (position, invalid) = await OpenAsync(query, "Patient", everything.Cursor, cancellationToken);
            return invalid ?? await records.EverythingAsync(query, everything, RecordIn(query, position), cancellationToken)
                ?? NoRecord(404, "Patient");
        }
    }

    /// <summary>The versions of one resource that the record has.</summary>
    internal async Task<QueryAnswer> HistoryAsync(TenantId tenant, Caller caller, FhirHistory history, CancellationToken cancellationToken)
    {
        var (snapshot, refusal) = await AdmitAsync(tenant, caller, history.Type, Interactions.Read, cancellationToken);
        if (refusal is not null)
        {
            return refusal;
        }

        var query = new QueryScope(tenant, caller, snapshot!, normalizers.For(tenant, snapshot!));
        IEnumerable<string> patients = history.Type == "Patient" ? [history.Id] : [];
        return await AuditedAsync(query, "history", history.Type, patients, RunAsync, cancellationToken);

        async Task<QueryAnswer> RunAsync()
        {
            var (position, invalid) = await OpenAsync(query, history.Type, history.Cursor, cancellationToken);
            return invalid ?? await records.HistoryAsync(query, history, RecordIn(query, position), cancellationToken)
                ?? NoRecord(404, history.Type);
        }
    }

    private async Task<QueryAnswer> AnswerAsync(QueryScope query, FhirSearch search, CancellationToken cancellationToken)
    {
        var (position, invalid) = await OpenAsync(query, search.Type, search.Cursor, cancellationToken);
        if (invalid is not null)
        {
            return invalid;
        }

        if (RecordIn(query, position) is { } cursor)
        {
            return await records.GoOnAsync(query, search, cursor, cancellationToken);
        }

        if (position is null && AgeMax(query, search.Freshness, search.AgeMaxSeconds) is { } ageMax)
        {
            var answer = await records.SearchAsync(query, search, ageMax, [], cancellationToken);
            if (search.Freshness == Freshness.Record)
            {
                return answer ?? NoRecord(504, search.Type);
            }

            // What the record does not take as it is asked may still be the EHR's to answer.
            if (answer is { Succeeded: true, Issues.Count: 0 })
            {
                return answer;
            }

            answer?.Dispose();
        }

        var join = JoinState.Of(query, search, position);
        var live = await RunSearchAsync(query, search, position, join, cancellationToken);
        return join is not null && live is { Succeeded: true, Next: null } ? await JoinAsync(query, search, join, live, cancellationToken) : live;
    }

    private async Task<QueryAnswer> AnswerAsync(QueryScope query, FhirRead read, CancellationToken cancellationToken)
    {
        if (read.Version is not null)
        {
            return await records.ReadAsync(query, read, TimeSpan.MaxValue, cancellationToken) ?? NoRecord(404, read.Type);
        }

        if (AgeMax(query, read.Freshness, read.AgeMaxSeconds) is { } ageMax)
        {
            var answer = await records.ReadAsync(query, read, ageMax, cancellationToken);
            if (answer is { Succeeded: true } || (answer is not null && read.Freshness == Freshness.Record))
            {
                return answer;
            }

            if (read.Freshness == Freshness.Record)
            {
                return NoRecord(504, read.Type);
            }
        }

        return await RunReadAsync(query, read, cancellationToken);
    }

    private async ValueTask<(SearchPosition? Position, QueryAnswer? Refusal)> OpenAsync(
        QueryScope query, string type, string? cursor, CancellationToken cancellationToken)
    {
        if (cursor is null)
        {
            return (null, null);
        }

        var scope = new CursorScope(query.Tenant, query.Caller.App, type);
        var position = await cursors.OpenAsync(scope, cursor, query.Spec.Connection.BaseUrl, cancellationToken);
        return (position, position is not null ? null : QueryAnswer.Refuse(
            400, "value", "EHR-QRY-010", "This cursor is not valid here or not any more. Start the search again from its first page."));
    }

    private static RecordCursor? RecordIn(QueryScope query, SearchPosition? position) =>
        position is not null && RecordCursor.TryRead(position.Next[query.Tenant.Value], out var cursor) ? cursor : null;

    // How old the record may be; null: it is not asked.
    private static TimeSpan? AgeMax(QueryScope query, Freshness freshness, int? stated) => freshness switch
    {
        Freshness.Record => stated is { } seconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.MaxValue,
        Freshness.Policy when (stated ?? query.Spec.RecordAgeMaxSeconds) is > 0 and var seconds => TimeSpan.FromSeconds(seconds),
        _ => null,
    };

    private static QueryAnswer NoRecord(int status, string type) => status == 504
        ? QueryAnswer.Refuse(
            504, "not-found", "EHR-QRY-024",
            $"The patient records have no such {type}, or none young enough, and the EHR was not to be asked. Ask without only-if-cached.")
        : QueryAnswer.Refuse(404, "not-found", "EHR-QRY-025", $"The patient records have no such {type}.");
}

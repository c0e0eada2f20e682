using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Charts;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Storage.Records;

namespace EhrGrains.Grains.Query;

/// <summary>Searches over all records of a tenant: for patients, and for who and what their care refers to.</summary>
internal sealed partial class RecordAnswers
{
    /// <summary>How many records one search over a tenant opens.</summary>
    private const int CandidatesMax = 200;

    private const int AtOnceMax = 16;

    // The directory knows hashes of beginnings; whether a resource really matches, a chart of the candidates says.
    private async Task<QueryAnswer> SearchTenantAsync(Asked asked, RecordCursor? cursor, CancellationToken cancellationToken)
    {
        var (query, search, read, issues, without) = asked;
        IReadOnlyList<FoundResource> candidates;
        if (RecordScope.Of(search).Id is { } id)
        {
            candidates = cursor is null && await directory.FindAsync(query.Tenant, new RecordKey(search.Type, id), cancellationToken) is { } patient
                ? [new FoundResource(patient, search.Type, id)]
                : [];
        }
        else if (ChartTerms.WantedBy(read) is { Count: > 0 } wanted)
        {
            IReadOnlyList<IReadOnlyList<IndexTerm>> terms = [.. wanted.Select(any => any.Select(t => new IndexTerm(t.Parameter, t.Value)).ToArray())];
            candidates = await directory.FindAsync(query.Tenant, search.Type, terms, cursor?.From.AsOf is null ? cursor?.From.AfterId : null, CandidatesMax, cancellationToken);
        }
        else
        {
            return NeedsTerms(search.Type);
        }

        var full = candidates.Count == CandidatesMax;
        candidates = await WithLastAsync(query.Tenant, candidates, cursor, cancellationToken);
        if (full && read.IsSorted)
        {
            return QueryAnswer.Refuse(
                400, "too-costly", "EHR-QRY-021", $"More than {CandidatesMax} records would have to be put in order. Narrow the search, or leave _sort out.");
        }

        var chart = new Chart(query.Zone);
        var youngest = DateTimeOffset.UnixEpoch;
        foreach (var (entry, at) in await OpenAsync(query.Tenant, candidates, cancellationToken))
        {
            chart.Put(entry);
            youngest = at > youngest ? at : youngest;
        }

        var position = cursor?.From.AsOf is { } asOf ? new ChartPosition(search.Type, cursor.From.AfterId, asOf) : null;
        var before = position is null ? [] : await BeforeAsync(query.Tenant, chart, candidates, position, cancellationToken);
        if (position is not null && chart.Find(search.Type, position.AfterId!) is null && !before.Any(entry => entry.Id == position.AfterId))
        {
            return Gone();
        }

        var found = chart.Search(read, position, _ => false, before);
        var page = new RecordPage
        {
            Patient = default,
            Matches = [.. found.Matches.Select(e => new RecordEntry(new RecordKey(e.Type, e.Id), e.Version, e.LastUpdated, e.Json))],
        };
        page = asked.Unknown(page) with
        {
            Next = found.Next is { } next ? new RecordPosition(next.AfterType, next.AfterId, read.IsSorted ? next.AsOf ?? Later(time.GetUtcNow(), youngest) : null)
                : full ? new RecordPosition(search.Type, candidates[^1].Id, null)
                : null,
        };
        return new QueryAnswer
        {
            Status = 200,
            Content = Write(page, search.GatewayBase, read.Detail, read.Elements),
            Total = full || cursor is not null ? cursor?.Total : found.Total,
            Next = await SealAsync(query, search.Type, page, full ? null : cursor?.Total ?? found.Total, search.Parameters, without, cancellationToken),
            Used = read.Used,
            Issues = read.HasIncludes ? [.. issues, NotIncluded()] : issues,
            Entries = page.Matches.Length,
            Patients = [.. candidates.Where(c => page.Matches.Any(m => m.Key.Id == c.Id)).Select(c => c.Patient.Value).Distinct()],
            AgeSeconds = candidates.Count == 0 ? 0 : Seconds(youngest),
        };
    }

    private async Task<IReadOnlyList<(ChartEntry Entry, DateTimeOffset At)>> OpenAsync(
        TenantId tenant, IReadOnlyList<FoundResource> candidates, CancellationToken cancellationToken)
    {
        using var system = tickets.EnterSystem();
        var opened = new List<(ChartEntry, DateTimeOffset)>();
        foreach (var some in candidates.Chunk(AtOnceMax))
        {
            var pages = await Task.WhenAll(some.Select(candidate => grains
                .GetGrain<IPatientRecordGrain>(GrainKeys.Patient(tenant, candidate.Patient))
                .ReadAsync(new RecordKey(candidate.Type, candidate.Id), cancellationToken)));
            opened.AddRange(pages.SelectMany(page => page.Matches.Select(entry =>
                (new ChartEntry(entry.Key.Type, entry.Key.Id, entry.Version, entry.At, entry.Json), page.At ?? entry.At))));
        }

        return opened;
    }

    // A sorted search goes on after its last match, whether or not that would be found now.
    private async Task<IReadOnlyList<FoundResource>> WithLastAsync(
        TenantId tenant, IReadOnlyList<FoundResource> candidates, RecordCursor? cursor, CancellationToken cancellationToken)
    {
        if (cursor?.From is not { AsOf: not null, AfterType: { } type, AfterId: { } last } || candidates.Any(candidate => candidate.Id == last))
        {
            return candidates;
        }

        return await directory.FindAsync(tenant, new RecordKey(type, last), cancellationToken) is { } patient
            ? [.. candidates, new FoundResource(patient, type, last)]
            : candidates;
    }

    private async Task<List<ChartEntry>> BeforeAsync(
        TenantId tenant, Chart chart, IReadOnlyList<FoundResource> candidates, ChartPosition from, CancellationToken cancellationToken)
    {
        var changed = chart.NamesChangedSince(from.AfterType!, from);
        var before = new List<ChartEntry>();
        foreach (var ofPatient in candidates.Where(candidate => changed.Contains(candidate.Id)).GroupBy(candidate => candidate.Patient))
        {
            var then = await store.ListAsOfAsync(
                tenant, ofPatient.Key, from.AfterType!, [.. ofPatient.Select(candidate => candidate.Id)], from.AsOf!.Value, cancellationToken);
            before.AddRange(then.Select(was => new ChartEntry(was.Resource.Type, was.Resource.Id, was.Resource.Version, was.Resource.At, was.Resource.Content)));
        }

        return before;
    }

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;

    private static QueryAnswer NeedsTerms(string type) => QueryAnswer.Refuse(
        400, "too-costly", "EHR-QRY-019",
        $"This would look at every record. Search {type} by identifier, by a name of at least two letters, by birth date or by what its CapabilityStatement names.");

    private static OutcomeIssue NotIncluded() => new(
        "warning", "not-supported", "_include and _revinclude were left out: they work inside one patient's record, with patient=….", "EHR-QRY-023");
}

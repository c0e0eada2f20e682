using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Records;
using EhrGrains.Fhir.Charts;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Fhir.Records;
using EhrGrains.Storage.Records;

namespace EhrGrains.Grains.Records;

/// <summary>What queries read of a record. They interleave with changes, and see what is committed.</summary>
internal sealed partial class PatientRecordGrain
{
    public async Task<RecordPage> SearchAsync(RecordSearch search, CancellationToken cancellationToken)
    {
        var types = search.Type is { } one ? search.MayInclude.Append(one) : search.MayInclude;
        var state = await LoadAsync(types, cancellationToken);
        if (Elsewhere(state) is { } nothing)
        {
            return nothing;
        }

        var context = new ChartContext(await ZoneAsync(cancellationToken), time.GetUtcNow(), search.GatewayBase);
        var from = search.From is { } position ? new ChartPosition(position.AfterType, position.AfterId, position.AsOf) : null;
        if (search.Type is not { } type)
        {
            return PageOf(state, state.Chart.Everything(ReadWindow(search.Parameters, context), search.MayInclude.Contains, from), null);
        }

        var query = Read(type, search.Parameters, context);
        var before = query.IsSorted && from is not null ? await BeforeAsync(state, type, from, cancellationToken) : [];
        return before is null
            ? new RecordPage { Patient = Patient }
            : PageOf(state, state.Chart.Search(query, from, search.MayInclude.Contains, before), query.IsSorted ? state.Head.At : null);
    }

    public async Task<RecordPage> ReadAsync(RecordKey resource, CancellationToken cancellationToken)
    {
        var state = await LoadAsync([resource.Type], cancellationToken);
        return Elsewhere(state) ?? new RecordPage
        {
            Patient = Patient,
            At = state.Head.At,
            Matches = state.Chart.Find(resource.Type, resource.Id) is { } entry ? [EntryOf(entry)] : [],
        };
    }

    // What has changed since a sorted search began, as it was then; null when the last match is not known here any more.
    private async Task<ChartEntry[]?> BeforeAsync(RecordState state, string type, ChartPosition from, CancellationToken cancellationToken)
    {
        var changed = state.Chart.NamesChangedSince(type, from);
        if (changed.Count == 0)
        {
            return [];
        }

        // Those that a merge has moved here spoke of the patient whom the search now calls by this record's name.
        var then = await store.ListAsOfAsync(Tenant, Patient, type, changed, from.AsOf!.Value, cancellationToken);
        ChartEntry[] before = [.. then.Select(entry => EntryOf(entry.Resource, PatientLinks.Redirect(entry.Resource.Content, entry.Patient.Value, Patient.Value)))];
        return !changed.Contains(from.AfterId!) || before.Any(entry => entry.Id == from.AfterId) ? before : null;
    }

    private static ChartEntry EntryOf(ChartResource resource, ReadOnlyMemory<byte> content) =>
        new(resource.Type, resource.Id, resource.Version, resource.At, content);

    private RecordPage PageOf(RecordState state, ChartPage found, DateTimeOffset? asOf) => new()
    {
        Patient = Patient,
        At = state.Head.At,
        Matches = [.. found.Matches.Select(EntryOf)],
        Included = [.. found.Included.Select(EntryOf)],
        Total = found.Total,
        Next = found.Next is { } next ? new RecordPosition(next.AfterType, next.AfterId, next.AsOf ?? asOf) : null,
    };

    private RecordPage? Elsewhere(RecordState state) =>
        state.Head.Version == 0 ? new RecordPage { Patient = Patient }
        : state.Head.MergedInto is { } survivor ? new RecordPage { Patient = Patient, At = state.Head.At, MovedTo = survivor }
        : null;

    private static RecordEntry EntryOf(ChartEntry entry) => new(new RecordKey(entry.Type, entry.Id), entry.Version, entry.LastUpdated, entry.Json);

    // Whoever asks has read the same parameters by the same rules: what is wrong with them has been answered there.
    private static ChartQuery Read(string type, SearchParameter[] parameters, ChartContext context) =>
        ChartQuery.TryParse(type, parameters, context, SearchHandling.Lenient, out var query, out var issues) ? query : throw Invalid(issues);

    private static ChartWindow ReadWindow(SearchParameter[] parameters, ChartContext context) =>
        ChartWindow.TryParse(parameters, context, out var window, out var issues) ? window : throw Invalid(issues);

    private static ProblemException Invalid(IReadOnlyList<OutcomeIssue> issues) => new(
        ProblemKind.Invalid, [.. issues.Select(issue => new Problem(issue.DetailCode ?? "", issue.Expression ?? "", issue.Diagnostics))]);
}

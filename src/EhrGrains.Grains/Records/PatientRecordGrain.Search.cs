using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Records;
using EhrGrains.Fhir.Charts;
using EhrGrains.Fhir.Outcomes;

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
        var from = search.From is { } position ? new ChartPosition(position.AfterType, position.AfterId, position.Rest) : null;
        var found = search.Type is { } type
            ? state.Chart.Search(Read(type, search.Parameters, context), from, search.MayInclude.Contains)
            : state.Chart.Everything(ReadWindow(search.Parameters, context), search.MayInclude.Contains, from);
        return new RecordPage
        {
            Patient = Patient,
            At = state.Head.At,
            Matches = [.. found.Matches.Select(EntryOf)],
            Included = [.. found.Included.Select(EntryOf)],
            Total = found.Total,
            Next = found.Next is { } next ? new RecordPosition(next.AfterType, next.AfterId, next.Rest?.ToArray()) : null,
        };
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

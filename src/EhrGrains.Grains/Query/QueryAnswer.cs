using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Bundles;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Grains.Query;

/// <summary>
/// How a search or read ended, before it is written as FHIR: what was found, or the status and issues of a refusal. Never an
/// EHR's own text. Dispose of it when it is written.
/// </summary>
internal sealed record QueryAnswer : IDisposable
{
    /// <summary>The HTTP status.</summary>
    public required int Status { get; init; }

    /// <summary>What the caller has to be told; on a refusal why, at least one.</summary>
    public IReadOnlyList<OutcomeIssue> Issues { get; init; } = [];

    /// <summary>Entry objects separated by commas, or the one resource; null on a refusal.</summary>
    public PooledBuffer? Content { get; init; }

    /// <summary>Matches in all, where known.</summary>
    public int? Total { get; init; }

    /// <summary>The cursor of the next page; null on the last.</summary>
    public string? Next { get; init; }

    /// <summary>The parameters that took part, for the self link.</summary>
    public IReadOnlyList<SearchParameter> Used { get; init; } = [];

    /// <summary>When to come back.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>A read resource's entity tag.</summary>
    public string? ETag { get; init; }

    /// <summary>When a read resource last changed.</summary>
    public DateTimeOffset? LastModified { get; init; }

    /// <summary>How many resources leave, for the audit trail.</summary>
    public int Entries { get; init; }

    /// <summary>Which patients they concern.</summary>
    public IReadOnlyList<string> Patients { get; init; } = [];

    /// <summary>How old the patient record is that answered, in seconds; null: the EHR answered.</summary>
    public int? AgeSeconds { get; init; }

    internal bool Succeeded => Content is not null;

    public void Dispose() => Content?.Dispose();

    internal static QueryAnswer Refuse(int status, string issueCode, string code, string text, TimeSpan? retryAfter = null) =>
        Refuse(status, [new OutcomeIssue("error", issueCode, text, code)], retryAfter);

    internal static QueryAnswer Refuse(int status, IReadOnlyList<OutcomeIssue> issues, TimeSpan? retryAfter = null) =>
        new() { Status = status, Issues = issues, RetryAfter = retryAfter };

    /// <summary>The answer to a search as it goes over HTTP; what was found goes over to it.</summary>
    internal FhirAnswer ToSearchset(FhirSearch search) => ToSearchset($"{search.GatewayBase}/{search.Type}", search.Cursor);

    /// <summary>The answer to $everything as it goes over HTTP; what was found goes over to it.</summary>
    internal FhirAnswer ToSearchset(FhirEverything everything) =>
        ToSearchset($"{everything.GatewayBase}/Patient/{Uri.EscapeDataString(everything.Patient)}/$everything", everything.Cursor);

    /// <summary>The answer to a read as it goes over HTTP; what was found goes over to it.</summary>
    internal FhirAnswer ToResource() => Content is null
        ? ToOutcome()
        : new FhirAnswer(Status, Content, default) { ETag = ETag, LastModified = LastModified, AgeSeconds = AgeSeconds };

    private FhirAnswer ToSearchset(string url, string? cursor)
    {
        if (Content is null)
        {
            return ToOutcome();
        }

        var self = cursor is null ? WithParameters(url, Used) : WithCursor(url, cursor);
        var next = Next is null ? null : WithCursor(url, Next);
        return new FhirAnswer(Status, Content, SearchsetWriter.Frame(!Content.Written.IsEmpty, Total, self, next, Issues)) { AgeSeconds = AgeSeconds };
    }

    private FhirAnswer ToOutcome() => new(Status, null, new SearchsetFrame(OperationOutcomes.Write(Issues), default))
    {
        RetryAfterSeconds = RetryAfter is { } wait ? (int)Math.Ceiling(Math.Clamp(wait.TotalSeconds, 1, 86_400)) : null,
    };

    private static string WithCursor(string url, string cursor) => $"{url}?{FhirSearch.CursorParameter}={cursor}";

    private static string WithParameters(string url, IReadOnlyList<SearchParameter> parameters) => parameters.Count == 0
        ? url
        : $"{url}?{string.Join('&', parameters.Select(p => $"{Uri.EscapeDataString(p.Name)}={Uri.EscapeDataString(p.Value)}"))}";
}

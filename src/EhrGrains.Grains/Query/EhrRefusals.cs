using EhrGrains.Connect.Ehr;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Query;

/// <summary>What the caller is told when an EHR does not give what was asked for.</summary>
internal static class EhrRefusals
{
    /// <summary>
    /// The status and issues of a failed answer: the EHR's own outcome in our words where it gave one, and what the failure means.
    /// </summary>
    internal static QueryAnswer Of(EhrAnswer answer, string op, VendorProfile profile)
    {
        var outcomes = answer.Body.IsEmpty ? [] : OperationOutcomes.Read(answer.Body.Span, profile);
        var expired = outcomes.Any(o => o.DetailCode is { } code && profile.OutcomeCodes.TryGetValue(code, out var known) && known.SessionExpired);
        if (op == "page" && (expired || answer.Failure == EhrFailure.NotFound))
        {
            return SessionExpired();
        }

        var (status, issueCode) = Meaning(answer);
        var problem = answer.Problem!;
        return QueryAnswer.Refuse(
            status, [.. outcomes, new OutcomeIssue("error", issueCode, problem.Message, problem.Code)], RetryAfter(answer, status));
    }

    /// <summary>The EHR has forgotten the search: there is no next page to be had any more.</summary>
    internal static QueryAnswer SessionExpired() => QueryAnswer.Refuse(
        410, "expired", "EHR-QRY-007", "The hospital has ended this search session. Start the search again from its first page.");

    private static (int Status, string IssueCode) Meaning(EhrAnswer answer) => answer.Failure switch
    {
        EhrFailure.NotFound when answer.Status == 410 => (410, "deleted"),
        EhrFailure.NotFound => (404, "not-found"),
        EhrFailure.Forbidden => (403, "forbidden"),
        EhrFailure.Rejected => (400, "processing"),
        EhrFailure.ResultTooLarge => (400, "too-costly"),
        EhrFailure.Throttled => (429, "throttled"),
        EhrFailure.CircuitOpen or EhrFailure.Unavailable or EhrFailure.PermitLapsed => (503, "transient"),
        EhrFailure.TimedOut => (504, "timeout"),
        EhrFailure.ForeignOrigin or EhrFailure.EgressRefused => (502, "security"),
        EhrFailure.ConnectFailed or EhrFailure.ServerError or EhrFailure.Truncated or EhrFailure.TooSlow => (502, "transient"),
        EhrFailure.TooLarge => (502, "too-costly"),
        EhrFailure.NoToken or EhrFailure.Unauthorized => (502, "login"),
        _ => (502, "exception"),
    };

    private static TimeSpan? RetryAfter(EhrAnswer answer, int status) =>
        status is 429 or 503 ? answer.RetryAfter ?? TimeSpan.FromSeconds(5) : null;
}

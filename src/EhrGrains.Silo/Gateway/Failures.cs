using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Silo.Telemetry;

namespace EhrGrains.Silo.Gateway;

/// <summary>
/// Turns refusals and exceptions into answers: an OperationOutcome under /fhir, problem+json (RFC 9457) elsewhere. An exception's
/// text never reaches a client or a log, for it may quote what it failed on.
/// </summary>
internal sealed class Failures(RequestDelegate next, ILogger<Failures> log)
{
    private const string RetryAfterSeconds = "1";

    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to answer.
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            await AnswerAsync(context, e);
        }
    }

    /// <summary>Gives an answer without a body its body.</summary>
    internal static Task WriteStatusAsync(HttpContext context) =>
        WriteAsync(context, context.Response.StatusCode, DefaultProblem(context.Response.StatusCode));

    internal static async Task WriteAsync(HttpContext context, int status, params Problem[] problems)
    {
        var response = context.Response;
        response.StatusCode = status;
        if (context.Request.Path.StartsWithSegments("/fhir", StringComparison.Ordinal))
        {
            var issues = problems.Select(problem => new OutcomeIssue(
                "error", IssueCode(status), problem.Message, problem.Code, problem.Path.Length > 0 ? problem.Path : null));
            await FhirResponses.WriteBodyAsync(context, OperationOutcomes.Write(issues));
            return;
        }

        var body = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                type = "about:blank",
                title = Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(status),
                status,
                requestId = context.TraceIdentifier,
                problems,
            },
            JsonSerializerOptions.Web);
        response.ContentType = "application/problem+json";
        response.ContentLength = body.Length;
        await response.BodyWriter.WriteAsync(body, context.RequestAborted);
    }

    private Task AnswerAsync(HttpContext context, Exception e)
    {
        switch (e)
        {
            case ProblemException refusal:
                if (refusal.Kind == ProblemKind.Unavailable)
                {
                    context.Response.Headers.RetryAfter = RetryAfterSeconds;
                }

                return WriteAsync(context, StatusOf(refusal.Kind), refusal.Problems);
            case BadHttpRequestException bad:
                return WriteAsync(context, bad.StatusCode, DefaultProblem(bad.StatusCode));
            case TimeoutException or SiloUnavailableException or OrleansMessageRejectionException or OperationCanceledException:
                log.RequestUnavailable(context.TraceIdentifier, e.GetType().Name);
                context.Response.Headers.RetryAfter = RetryAfterSeconds;
                return WriteAsync(context, StatusCodes.Status503ServiceUnavailable, DefaultProblem(StatusCodes.Status503ServiceUnavailable));
            default:
                log.RequestFailed(context.TraceIdentifier, e.GetType().FullName ?? "", e.StackTrace ?? "");
                return WriteAsync(context, StatusCodes.Status500InternalServerError, DefaultProblem(StatusCodes.Status500InternalServerError));
        }
    }

    private static int StatusOf(ProblemKind kind) => kind switch
    {
        ProblemKind.Invalid => StatusCodes.Status400BadRequest,
        ProblemKind.Unauthenticated => StatusCodes.Status401Unauthorized,
        ProblemKind.Forbidden => StatusCodes.Status403Forbidden,
        ProblemKind.NotFound => StatusCodes.Status404NotFound,
        ProblemKind.Conflict => StatusCodes.Status409Conflict,
        ProblemKind.CheckFailed => StatusCodes.Status422UnprocessableEntity,
        ProblemKind.Gone => StatusCodes.Status410Gone,
        _ => StatusCodes.Status503ServiceUnavailable,
    };

    private static Problem DefaultProblem(int status) => status switch
    {
        400 => new("EHR-GTW-400", "", "The request cannot be read."),
        401 => new("EHR-GTW-401", "", "Send a valid access token: Authorization: Bearer …, from the token endpoint named in .well-known/smart-configuration."),
        403 => new("EHR-GTW-403", "", "The access token's app or scopes do not allow this."),
        404 => new("EHR-GTW-404", "", "There is nothing at this URL. FHIR is at /fhir/{tenant}/{type}, for example /fhir/st-mary/Patient."),
        405 => new("EHR-GTW-405", "", "The method is not allowed here: GET searches and reads, POST searches at {type}/_search and creates at {type}, PUT updates."),
        408 => new("EHR-GTW-408", "", "The request did not arrive in time."),
        413 => new("EHR-GTW-413", "", "The request body is too large."),
        415 => new("EHR-GTW-415", "", "The request body must be application/x-www-form-urlencoded for _search, application/json elsewhere."),
        429 => new("EHR-GTW-429", "", "Too many requests of this app are under way; wait for some of them."),
        431 => new("EHR-GTW-431", "", "The request headers are too large."),
        503 => new("EHR-GTW-503", "", "This cannot be served now; try again."),
        _ => new("EHR-GTW-500", "", "Something failed here; the operator finds it in the logs by the request id."),
    };

    // FHIR R4 ValueSet issue-type.
    private static string IssueCode(int status) => status switch
    {
        401 => "login",
        403 => "forbidden",
        404 => "not-found",
        405 or 406 or 415 => "not-supported",
        408 or 504 => "timeout",
        409 => "conflict",
        413 or 431 => "too-long",
        422 => "processing",
        429 => "throttled",
        503 => "transient",
        >= 500 => "exception",
        _ => "invalid",
    };
}

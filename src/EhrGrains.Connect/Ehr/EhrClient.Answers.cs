using EhrGrains.Connect.Egress;

namespace EhrGrains.Connect.Ehr;

/// <summary>What is read of an answer.</summary>
public sealed partial class EhrClient
{
    private async ValueTask<EhrAnswer> KeepAsync(Call call, HttpResponseMessage response)
    {
        call.Keep(response);
        var status = (int)response.StatusCode;
        var retryAfter = RetryAfter.Of(response, time.GetUtcNow());
        if (status is 429 or 503)
        {
            await call.Access.Throttled(retryAfter, status);
        }

        return response.IsSuccessStatusCode ? EhrAnswer.Opened(status) : EhrAnswer.Failed(EhrFailures.OfStatus(status), status, retryAfter);
    }

    private async ValueTask<EhrAnswer> ReadAsync(Call call, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var status = (int)response.StatusCode;
        var failure = EhrFailures.OfStatus(status);
        var retryAfter = RetryAfter.Of(response, time.GetUtcNow());
        if (status is 429 or 503)
        {
            await call.Access.Throttled(retryAfter, status);
        }

        if (call.Request.IsWrite && status is (200 or 201 or 204))
        {
            return await ReadWrittenAsync(response, cancellationToken);
        }

        if (failure is not (EhrFailure.None
            or EhrFailure.Forbidden or EhrFailure.NotFound or EhrFailure.Rejected or EhrFailure.ResultTooLarge or EhrFailure.ServerError))
        {
            return EhrAnswer.Failed(failure, status, retryAfter, location: response.Headers.Location?.OriginalString);
        }

        if (!JsonShape.Announced(response.Content.Headers))
        {
            return EhrAnswer.Failed(failure == EhrFailure.None ? EhrFailure.NotFhir : failure, status, retryAfter);
        }

        var (outcome, body) = await PooledBody.ReadAsync(
            response.Content, BodyBounds.Of(options, options.BodyBytesMax), time, cancellationToken);
        var shape = body is null ? Of(outcome) : JsonShape.Judge(body.Memory.Span);
        if (shape == EhrFailure.None)
        {
            return failure == EhrFailure.None
                ? EhrAnswer.Succeeded(status, body!, response.Headers.ETag?.ToString(), response.Content.Headers.LastModified)
                : EhrAnswer.Failed(failure, status, retryAfter, body: body);
        }

        body?.Dispose();
        return EhrAnswer.Failed(failure == EhrFailure.None ? shape : failure, status, retryAfter);
    }

    // It is written whatever becomes of the body, which is read only for the id where no header says it.
    private async ValueTask<EhrAnswer> ReadWrittenAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var (status, eTag, location) = ((int)response.StatusCode, response.Headers.ETag?.ToString(), response.Headers.Location?.OriginalString);
        if (location is not null || status == 204 || !JsonShape.Announced(response.Content.Headers))
        {
            return EhrAnswer.Written(status, null, eTag, location);
        }

        var (_, body) = await PooledBody.ReadAsync(response.Content, BodyBounds.Of(options, options.BodyBytesMax), time, cancellationToken);
        if (body is not null && JsonShape.Judge(body.Memory.Span) != EhrFailure.None)
        {
            body.Dispose();
            body = null;
        }

        return EhrAnswer.Written(status, body, eTag, location);
    }

    private static EhrFailure Of(BodyOutcome outcome) => outcome switch
    {
        BodyOutcome.TooLarge => EhrFailure.TooLarge,
        BodyOutcome.TooSlow => EhrFailure.TooSlow,
        _ => EhrFailure.Truncated,
    };
}

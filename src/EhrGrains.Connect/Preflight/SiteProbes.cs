using System.Text.Json;
using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Connect.Preflight;

/// <summary>
/// Asks a hospital to see how it answers: with the egress rules, tokens and permits of every other request, once, and without deciding
/// what is good. Thread-safe.
/// </summary>
public sealed class SiteProbes(EhrClient ehr, ConnectOptions options, TimeProvider time)
{
    private const int LimitHeadersMax = 10;
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 128, AllowDuplicateProperties = false };

    /// <summary>Sends one request with a token.</summary>
    public async Task<ProbeAnswer> AskAsync(
        TenantId tenant, ConnectionSpec connection, EhrRequest request, EhrAccess access, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(access);
        var asked = time.GetTimestamp();

        // Waiting for the permit and the token is not the hospital's doing.
        var timed = access with
        {
            Token = async (rejected, ct) =>
            {
                var token = await access.Token(rejected, ct);
                asked = time.GetTimestamp();
                return token;
            },
        };
        using var stream = await ehr.OpenAsync(tenant, connection, request with { IsSafe = false }, timed, cancellationToken);
        return await ReadAsync(stream, asked, cancellationToken);
    }

    /// <summary>Sends one request without a token: what a server shows to anyone. It counts against the budget all the same.</summary>
    public async Task<ProbeAnswer> AskAnyoneAsync(
        TenantId tenant, ConnectionSpec connection, EhrRequest request, EhrAccess access, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(access);
        using var permit = await access.Permit(cancellationToken);
        var asked = time.GetTimestamp();
        using var stream = await ehr.OpenBareAsync(tenant, connection, request, cancellationToken);
        permit.Arrived();
        return await ReadAsync(stream, asked, cancellationToken);
    }

    private async Task<ProbeAnswer> ReadAsync(EhrStream stream, long asked, CancellationToken cancellationToken)
    {
        if (stream.Response is not { } response)
        {
            return new ProbeAnswer(stream.Failure, stream.Problem, null, null) { Elapsed = time.GetElapsedTime(asked) };
        }

        var headers = response.Headers;
        var ahead = headers.Date - time.GetUtcNow();
        var (outcome, body) = await PooledBody.ReadAsync(response.Content, BodyBounds.Of(options, options.BodyBytesMax), time, cancellationToken);
        var failure = stream.Failure != EhrFailure.None ? stream.Failure : outcome switch
        {
            BodyOutcome.Complete => EhrFailure.None,
            BodyOutcome.TooLarge => EhrFailure.TooLarge,
            BodyOutcome.TooSlow => EhrFailure.TooSlow,
            _ => EhrFailure.Truncated,
        };
        return new ProbeAnswer(failure, failure == EhrFailure.None ? null : stream.Problem ?? EhrProblems.Of(failure), body, Parse(body))
        {
            Status = (int)response.StatusCode,
            Elapsed = time.GetElapsedTime(asked),
            HttpVersion = response.Version,
            ContentType = response.Content.Headers.ContentType?.ToString(),
            IsAnnouncedAsJson = JsonShape.Announced(response.Content.Headers),
            ContentEncoding = response.Content.Headers.ContentEncoding.FirstOrDefault(static e => !e.Equals("identity", StringComparison.OrdinalIgnoreCase)),
            ClockAhead = ahead,
            ETag = headers.ETag?.ToString(),
            RetryAfter = headers.TryGetValues("Retry-After", out var waits) ? waits.FirstOrDefault() : null,
            LimitHeaders = [.. headers.Select(static h => h.Key).Where(static name => name.Contains("ratelimit", StringComparison.OrdinalIgnoreCase)
                || name.Contains("rate-limit", StringComparison.OrdinalIgnoreCase) || name.Contains("quota", StringComparison.OrdinalIgnoreCase)).Take(LimitHeadersMax)],
        };
    }

    private static JsonDocument? Parse(PooledBody? body)
    {
        if (body is null || body.Length == 0)
        {
            return null;
        }

        try
        {
            return JsonDocument.Parse(JsonShape.SkipByteOrderMark(body.Memory), Strict);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

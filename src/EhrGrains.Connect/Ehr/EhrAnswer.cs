using EhrGrains.Connect.Egress;

namespace EhrGrains.Connect.Ehr;

/// <summary>
/// What an EHR answered, or why it did not. Dispose of it as soon as the body is read: the body lives in a pooled buffer, which is then
/// wiped. Prints without the body.
/// </summary>
public sealed class EhrAnswer : IDisposable
{
    private readonly PooledBody? body;

    private EhrAnswer(EhrFailure failure, Problem? problem, PooledBody? body)
    {
        Failure = failure;
        Problem = problem;
        this.body = body;
    }

    /// <summary>The HTTP status; 0 when there was no answer.</summary>
    public int Status { get; private init; }

    /// <summary>
    /// The body: FHIR JSON without a byte order mark. With a <see cref="Failure"/> it is the EHR's error body if that is JSON, which may
    /// hold PHI and is not to be passed on as it is; else empty.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The answer was disposed of.</exception>
    public ReadOnlyMemory<byte> Body
    {
        get
        {
            if (body is null)
            {
                return default;
            }

            var bytes = body.Memory;
            return JsonShape.SkipByteOrderMark(bytes);
        }
    }

    /// <summary>The entity tag.</summary>
    public string? ETag { get; private init; }

    /// <summary>Where the EHR says that what was written is, or leads to instead (<see cref="EhrFailure.Redirected"/>); as it gave it.</summary>
    public string? Location { get; private init; }

    /// <summary>When the resource last changed.</summary>
    public DateTimeOffset? LastModified { get; private init; }

    /// <summary>The wait that the EHR named, within 0 and 10 minutes, or that an open circuit needs.</summary>
    public TimeSpan? RetryAfter { get; private init; }

    /// <summary>What is wrong; <see cref="EhrFailure.None"/> on success.</summary>
    public EhrFailure Failure { get; }

    /// <summary>What is wrong in words, with its code; null on success.</summary>
    public Problem? Problem { get; }

    /// <inheritdoc/>
    public void Dispose() => body?.Dispose();

    /// <inheritdoc/>
    public override string ToString() => $"EhrAnswer {Status} {Failure}";

    internal static EhrAnswer Failed(
        EhrFailure failure, int status = 0, TimeSpan? retryAfter = null, Problem? problem = null, PooledBody? body = null, string? location = null) =>
        new(failure, problem ?? EhrProblems.Of(failure), body) { Status = status, RetryAfter = retryAfter, Location = location };

    internal static EhrAnswer Written(int status, PooledBody? body, string? eTag, string? location) =>
        new(EhrFailure.None, null, body) { Status = status, ETag = eTag, Location = location };

    internal static EhrAnswer Opened(int status) => new(EhrFailure.None, null, null) { Status = status };

    internal static EhrAnswer Succeeded(int status, PooledBody body, string? eTag, DateTimeOffset? lastModified) =>
        new(EhrFailure.None, null, body) { Status = status, ETag = eTag, LastModified = lastModified };
}

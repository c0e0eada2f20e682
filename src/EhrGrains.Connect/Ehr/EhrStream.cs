namespace EhrGrains.Connect.Ehr;

/// <summary>An answer up to its headers. Dispose of it, or its connection is never free again.</summary>
internal sealed class EhrStream(EhrAnswer answer, HttpResponseMessage? response) : IDisposable
{
    /// <summary>The answer; also there with a <see cref="Failure"/> when the EHR answered at all.</summary>
    public HttpResponseMessage? Response { get; } = response;

    public int Status { get; } = answer.Status;

    public EhrFailure Failure { get; } = answer.Failure;

    public Problem? Problem { get; } = answer.Problem;

    public TimeSpan? RetryAfter { get; } = answer.RetryAfter;

    public void Dispose() => Response?.Dispose();
}

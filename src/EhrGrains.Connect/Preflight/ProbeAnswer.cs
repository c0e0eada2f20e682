using System.Text.Json;
using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Ehr;

namespace EhrGrains.Connect.Preflight;

/// <summary>
/// An answer as it came, for looking at: whatever its status, with what an ordinary request does not care for. Dispose of it as soon as it
/// is looked at: the body may hold PHI. Prints without it.
/// </summary>
public sealed class ProbeAnswer : IDisposable
{
    private readonly PooledBody? body;

    internal ProbeAnswer(EhrFailure failure, Problem? problem, PooledBody? body, JsonDocument? document)
    {
        Failure = failure;
        Problem = problem;
        this.body = body;
        Document = document;
    }

    /// <summary>Why there is no good answer; <see cref="EhrFailure.None"/>: status 200.</summary>
    public EhrFailure Failure { get; }

    /// <summary>That in words.</summary>
    public Problem? Problem { get; }

    /// <summary>The status; 0: there was no answer.</summary>
    public int Status { get; internal init; }

    /// <summary>The body where it is JSON, each member once, not too deep; null: it is not, or there was none.</summary>
    public JsonDocument? Document { get; }

    /// <summary>The length of the body as it came; null: it could not be read to its end.</summary>
    public int? Length => body?.Length;

    /// <summary>How long the answer took, from when it was asked for.</summary>
    public TimeSpan Elapsed { get; internal init; }

    /// <summary>The version of HTTP.</summary>
    public Version? HttpVersion { get; internal init; }

    /// <summary>The media type with its character set.</summary>
    public string? ContentType { get; internal init; }

    /// <summary>Whether the headers announce what is FHIR JSON and not compressed.</summary>
    public bool IsAnnouncedAsJson { get; internal init; }

    /// <summary>How the body is compressed; null: it is not.</summary>
    public string? ContentEncoding { get; internal init; }

    /// <summary>How far the server's clock was ahead of ours when it answered; null: it did not say its time.</summary>
    public TimeSpan? ClockAhead { get; internal init; }

    /// <summary>The entity tag.</summary>
    public string? ETag { get; internal init; }

    /// <summary><c>Retry-After</c> as it is written; null: none.</summary>
    public string? RetryAfter { get; internal init; }

    /// <summary>The names of headers that tell of a limit.</summary>
    public IReadOnlyList<string> LimitHeaders { get; internal init; } = [];

    /// <inheritdoc/>
    public void Dispose()
    {
        Document?.Dispose();
        body?.Dispose();
    }

    /// <inheritdoc/>
    public override string ToString() => $"ProbeAnswer {Status} {Failure}";
}

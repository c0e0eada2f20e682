using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Bundles;

namespace EhrGrains.Grains.Query;

/// <summary>
/// An answer in the process that made it: a <see cref="FhirResponse"/> whose body is not yet one array. What was found is the middle
/// of it and stays in its rented array until it is written. Dispose of it then.
/// </summary>
public sealed class FhirAnswer : IDisposable
{
    private readonly PooledBuffer? content;
    private readonly SearchsetFrame frame;

    internal FhirAnswer(int status, PooledBuffer? content, SearchsetFrame frame)
    {
        Status = status;
        this.content = content;
        this.frame = frame;
    }

    /// <summary>The HTTP status.</summary>
    public int Status { get; }

    /// <summary>What the body begins with; the whole of it when nothing was found.</summary>
    public ReadOnlyMemory<byte> Head => frame.Head;

    /// <summary>What was found.</summary>
    public ReadOnlyMemory<byte> Found => content?.WrittenMemory ?? default;

    /// <summary>What the body ends with.</summary>
    public ReadOnlyMemory<byte> Tail => frame.Tail;

    /// <summary>The body's length in bytes.</summary>
    public int Length => Head.Length + Found.Length + Tail.Length;

    /// <summary>The entity tag.</summary>
    public string? ETag { get; init; }

    /// <summary>When the resource last changed.</summary>
    public DateTimeOffset? LastModified { get; init; }

    /// <summary>For 429 and 503: when to come back, in seconds.</summary>
    public int? RetryAfterSeconds { get; init; }

    /// <summary>How old the patient record is that answered, in seconds; null: the EHR answered.</summary>
    public int? AgeSeconds { get; init; }

    /// <summary>An answer that came from a grain.</summary>
    public static FhirAnswer Of(FhirResponse response) => new(response.Status, null, new SearchsetFrame(response.Body, default))
    {
        ETag = response.ETag,
        LastModified = response.LastModified,
        RetryAfterSeconds = response.RetryAfterSeconds,
        AgeSeconds = response.AgeSeconds,
    };

    /// <summary>The same, to be sent to another process.</summary>
    internal FhirResponse ToResponse()
    {
        var body = new byte[Length];
        Head.CopyTo(body);
        Found.CopyTo(body.AsMemory(Head.Length));
        Tail.CopyTo(body.AsMemory(Head.Length + Found.Length));
        return new FhirResponse
        {
            Status = Status,
            Body = body,
            ETag = ETag,
            LastModified = LastModified,
            RetryAfterSeconds = RetryAfterSeconds,
            AgeSeconds = AgeSeconds,
        };
    }

    /// <inheritdoc/>
    public void Dispose() => content?.Dispose();
}

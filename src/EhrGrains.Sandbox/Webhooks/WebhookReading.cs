namespace EhrGrains.Sandbox.Webhooks;

/// <summary>How a receiver misbehaves.</summary>
public sealed record WebhookFault
{
    /// <summary>The status of its answers; null: 200.</summary>
    public int? Status { get; init; }

    /// <summary>Seconds in a Retry-After header; null: no such header.</summary>
    public int? RetryAfterSeconds { get; init; }

    /// <summary>Milliseconds that it takes before it answers. 0–60,000.</summary>
    public int DelayMilliseconds { get; init; }

    /// <summary>For how many deliveries; null: until told otherwise.</summary>
    public int? Deliveries { get; init; }

    /// <summary>Only deliveries about this patient; null: all.</summary>
    public string? Patient { get; init; }

    /// <summary>Takes challenges without giving them back.</summary>
    public bool IgnoresChallenges { get; init; }
}

/// <summary>A delivery as it arrived.</summary>
/// <param name="Id">Its <c>webhook-id</c>.</param>
/// <param name="Type">Its type, such as <c>record.changed</c>; <c>Bundle</c> for a FHIR notification.</param>
/// <param name="Patient">The patient; null: it names none.</param>
/// <param name="Changes">The numbers of its changes.</param>
/// <param name="Status">What was answered.</param>
/// <param name="Signatures">How many signatures it had.</param>
/// <param name="At">When it arrived.</param>
/// <param name="Body">It itself.</param>
public sealed record WebhookArrival(
    string Id, string Type, string? Patient, IReadOnlyList<long> Changes, int Status, int Signatures, DateTimeOffset At, ReadOnlyMemory<byte> Body);

/// <summary>What a receiver saw.</summary>
/// <param name="Deliveries">Deliveries that it took, tests and challenges included.</param>
/// <param name="Repeated">Those among them whose id it had taken before.</param>
/// <param name="Refused">Deliveries that it answered otherwise.</param>
/// <param name="Forged">Deliveries whose signature, or time, was wrong: answered 401.</param>
public sealed record WebhookReading(int Deliveries, int Repeated, int Refused, int Forged);

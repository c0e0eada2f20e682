using EhrGrains.Contracts.Apps;

namespace EhrGrains.Contracts.Writes;

/// <summary>What is to be written. Prints without its content.</summary>
[GenerateSerializer, Immutable, Alias("ehr.FhirWrite")]
public sealed record FhirWrite
{
    /// <summary>The longest resource, in bytes.</summary>
    public const int BytesMax = 4 * 1024 * 1024;

    /// <summary>The resource type.</summary>
    [Id(0)]
    public required string Type { get; init; }

    /// <summary>The logical id of the resource to update, as the gateway gives it; null: create.</summary>
    [Id(1)]
    public string? Id { get; init; }

    /// <summary>The resource: FHIR R4 as UTF-8 JSON, with ids as the gateway gives them.</summary>
    [Id(2)]
    public required byte[] Resource { get; init; }

    /// <summary>For an update: the version that it changes, <c>W/"3"</c>, or <c>*</c> for whichever there is (RFC 9110 §13.1.1).</summary>
    [Id(3)]
    public string? IfMatch { get; init; }

    /// <summary>What makes it the same write when it is given twice: 1–200 printable ASCII characters. Null: its content does.</summary>
    [Id(4)]
    public string? IdempotencyKey { get; init; }

    /// <summary>The gateway's FHIR base for this tenant, absolute and without a trailing slash: references may begin with it.</summary>
    [Id(5)]
    public required string GatewayBase { get; init; }

    /// <summary>How long to wait for what comes of it, 0–60 seconds; it goes on whether someone waits or not.</summary>
    [Id(6)]
    public int WaitSeconds { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{(Id is null ? "create" : "update")} {Type}";
}

/// <summary>How a write stands.</summary>
[GenerateSerializer, Alias("ehr.WriteState")]
public enum WriteState
{
    /// <summary>It is on disk and waits to be sent.</summary>
    Accepted = 0,

    /// <summary>It may have been sent; what came of it is not known yet.</summary>
    Sending = 1,

    /// <summary>The EHR has taken it; it was not read back yet, or could not be.</summary>
    Sent = 2,

    /// <summary>It was read back. The receipt names what differs.</summary>
    Confirmed = 3,

    /// <summary>The EHR refuses it.</summary>
    Refused = 4,

    /// <summary>What was to be updated has changed meanwhile: read it again.</summary>
    Conflict = 5,

    /// <summary>Whether the EHR has it cannot be known: someone has to look, then <c>retry</c> or <c>cancel</c> it.</summary>
    Unknown = 6,

    /// <summary>It was given up.</summary>
    Cancelled = 7,
}

/// <summary>What came of a write.</summary>
[GenerateSerializer, Immutable, Alias("ehr.WriteReceipt")]
public sealed record WriteReceipt
{
    /// <summary>Its number, counted per tenant.</summary>
    [Id(0)]
    public required long Number { get; init; }

    /// <summary>How it stands.</summary>
    [Id(1)]
    public required WriteState State { get; init; }

    /// <summary>Who asked for it.</summary>
    [Id(2)]
    public required AppId App { get; init; }

    /// <summary>The resource type.</summary>
    [Id(3)]
    public required string Type { get; init; }

    /// <summary>Whether it updates.</summary>
    [Id(4)]
    public required bool IsUpdate { get; init; }

    /// <summary>When it was accepted.</summary>
    [Id(5)]
    public required DateTimeOffset AcceptedAt { get; init; }

    /// <summary>When it came to its end; null: it is under way.</summary>
    [Id(6)]
    public DateTimeOffset? SettledAt { get; init; }

    /// <summary>How often it was tried to be sent.</summary>
    [Id(7)]
    public int Tries { get; init; }

    /// <summary>The resource's logical id, as the gateway gives it.</summary>
    [Id(8)]
    public string? Id { get; init; }

    /// <summary>The version that was read back, as an entity tag; null: the EHR names none.</summary>
    [Id(9)]
    public string? ETag { get; init; }

    /// <summary>The HTTP status that the EHR refused it with.</summary>
    [Id(10)]
    public int? Status { get; init; }

    /// <summary>Why it is not confirmed: the EHR's outcome in our words, or what happens next.</summary>
    [Id(11)]
    public Problem[] Problems { get; init; } = [];

    /// <summary>Elements that were sent and that the EHR keeps otherwise or not at all, by path.</summary>
    [Id(12)]
    public string[] Differences { get; init; } = [];

    /// <summary>When it is tried again, or read back; null: it is settled.</summary>
    [Id(13)]
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>Whether this write was asked for before: nothing new was begun.</summary>
    [Id(14)]
    public bool IsRepeat { get; init; }
}

/// <summary>How a tenant's outbox stands.</summary>
[GenerateSerializer, Immutable, Alias("ehr.WritesStatus")]
public sealed record WritesStatus
{
    /// <summary>Writes in each state.</summary>
    [Id(0)]
    public required Dictionary<WriteState, long> States { get; init; }

    /// <summary>Writes that are not settled.</summary>
    [Id(1)]
    public required long Open { get; init; }

    /// <summary>When the first of them was accepted; null: none is open.</summary>
    [Id(2)]
    public DateTimeOffset? OldestOpenAt { get; init; }

    /// <summary>Rounds in a row in which the EHR could not be reached.</summary>
    [Id(3)]
    public required int Failures { get; init; }

    /// <summary>When the EHR is tried again; null: now.</summary>
    [Id(4)]
    public DateTimeOffset? NextTryAt { get; init; }

    /// <summary>What was wrong last.</summary>
    [Id(5)]
    public Problem? LastFailure { get; init; }
}

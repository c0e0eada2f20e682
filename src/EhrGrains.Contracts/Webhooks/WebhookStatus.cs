namespace EhrGrains.Contracts.Webhooks;

/// <summary>What a webhook is doing.</summary>
[GenerateSerializer, Alias("ehr.WebhookState")]
public enum WebhookState
{
    /// <summary>Its receiver has not yet shown that it wants it: nothing is delivered.</summary>
    Pending = 0,

    /// <summary>Changes are delivered as they come.</summary>
    Active = 1,

    /// <summary>An operator, or the app, stopped it. Changes wait.</summary>
    Paused = 2,

    /// <summary>The schedule of tries is over. Changes wait; resume tries again.</summary>
    GaveUp = 3,

    /// <summary>The receiver answered 410 Gone. Changes wait; resume asks it anew whether it wants them.</summary>
    Gone = 4,

    /// <summary>The tenant is not open, or its app has no grant there any more. Changes wait.</summary>
    Closed = 5,
}

/// <summary>A webhook, and how it stands.</summary>
[GenerateSerializer, Immutable, Alias("ehr.WebhookStatus")]
public sealed record WebhookStatus
{
    /// <summary>Its id.</summary>
    [Id(0)]
    public required WebhookId Webhook { get; init; }

    /// <summary>What it is.</summary>
    [Id(1)]
    public required WebhookSpec Spec { get; init; }

    /// <summary>What it is doing.</summary>
    [Id(2)]
    public required WebhookState State { get; init; }

    /// <summary>Why, when it is not active.</summary>
    [Id(3)]
    public string? Reason { get; init; }

    /// <summary>The last change that is delivered, or was not for it.</summary>
    [Id(4)]
    public required long Position { get; init; }

    /// <summary>The tenant's last change.</summary>
    [Id(5)]
    public required long Head { get; init; }

    /// <summary>When the oldest change that waits was committed; null: none waits.</summary>
    [Id(6)]
    public DateTimeOffset? OldestWaitingAt { get; init; }

    /// <summary>When a delivery was last taken by the receiver; null: never.</summary>
    [Id(7)]
    public DateTimeOffset? LastDeliveredAt { get; init; }

    /// <summary>Changes delivered since it was made.</summary>
    [Id(8)]
    public required long Delivered { get; init; }

    /// <summary>Rounds of tries that failed in a row.</summary>
    [Id(9)]
    public required int Failures { get; init; }

    /// <summary>When the next try is due; null: none is waited for.</summary>
    [Id(10)]
    public DateTimeOffset? NextTryAt { get; init; }

    /// <summary>What the last try failed of.</summary>
    [Id(11)]
    public Problem? LastFailure { get; init; }

    /// <summary>Until when the secret before the present one signs as well; null: there is one secret.</summary>
    [Id(12)]
    public DateTimeOffset? PreviousSecretUntil { get; init; }

    /// <summary>Counts the activations that have delivered for it.</summary>
    [Id(13)]
    public required long Epoch { get; init; }
}

/// <summary>One try to deliver, without what was delivered.</summary>
/// <param name="Number">Counts the tries of the webhook.</param>
/// <param name="At">When it ended.</param>
/// <param name="Id">The <c>webhook-id</c>: the same on every try of the same changes.</param>
/// <param name="First">The first change in it; 0: a test or a challenge.</param>
/// <param name="Last">The last change in it.</param>
/// <param name="Try">Which try it was, from 1.</param>
/// <param name="Outcome">The HTTP status, or a word where there was none: timeout, refused, disconnected, tls.</param>
/// <param name="Milliseconds">How long it took.</param>
[GenerateSerializer, Immutable, Alias("ehr.WebhookDelivery")]
public sealed record WebhookDelivery(
    [property: Id(0)] long Number,
    [property: Id(1)] DateTimeOffset At,
    [property: Id(2)] string Id,
    [property: Id(3)] long First,
    [property: Id(4)] long Last,
    [property: Id(5)] int Try,
    [property: Id(6)] string Outcome,
    [property: Id(7)] int Milliseconds);

/// <summary>A webhook that was made, and the secret that its deliveries are signed with, shown this once.</summary>
/// <param name="Status">The webhook.</param>
/// <param name="Secret"><c>whsec_…</c> (Standard Webhooks); null: the webhook was there, and has the secret it had.</param>
[GenerateSerializer, Immutable, Alias("ehr.WebhookRegistration")]
public sealed record WebhookRegistration([property: Id(0)] WebhookStatus Status, [property: Id(1)] SecretText? Secret);

using System.Collections.Immutable;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Webhooks;

namespace EhrGrains.Grains.Webhooks;

/// <summary>What is stored of a webhook beside its position. Sealed as all grain state is, secrets included.</summary>
[GenerateSerializer, Immutable, Alias("ehr.state.Webhook")]
internal sealed record WebhookData
{
    /// <summary>What it is; null: there is no such webhook.</summary>
    [Id(0)]
    public WebhookSpec? Spec { get; init; }

    /// <summary>Whether the receiver has said that it wants the deliveries.</summary>
    [Id(1)]
    public bool Accepted { get; init; }

    /// <summary>Why somebody paused it; null: not paused.</summary>
    [Id(2)]
    public string? PausedFor { get; init; }

    /// <summary>What stopped it by itself; null: nothing did.</summary>
    [Id(3)]
    public WebhookState? StoppedAs { get; init; }

    /// <summary>The secret that deliveries are signed with.</summary>
    [Id(4)]
    public ImmutableArray<byte> Secret { get; init; } = [];

    /// <summary>The one before; empty: there is none.</summary>
    [Id(5)]
    public ImmutableArray<byte> PreviousSecret { get; init; } = [];

    /// <summary>Until when the one before signs as well.</summary>
    [Id(6)]
    public DateTimeOffset PreviousUntil { get; init; }

    /// <summary>Headers that a subscription wants to be sent, <c>Name: value</c>; they hold secrets.</summary>
    [Id(7)]
    public ImmutableArray<string> Headers { get; init; } = [];

    /// <summary>Since when something cannot be delivered; null: everything was.</summary>
    [Id(8)]
    public DateTimeOffset? FailingSince { get; init; }

    /// <summary>What the last try failed of; null: it did not.</summary>
    [Id(9)]
    public Problem? Failure { get; init; }

    /// <inheritdoc/>
    public override string ToString() => nameof(WebhookData);
}

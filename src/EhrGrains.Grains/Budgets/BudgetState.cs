namespace EhrGrains.Grains.Budgets;

/// <summary>
/// What must outlive an activation of the budget grain: who was dealt what. Written before anything more is dealt out, so it never
/// says less than the silos hold.
/// </summary>
[GenerateSerializer, Immutable, Alias("ehr.BudgetState")]
internal sealed record BudgetState
{
    /// <summary>What is dealt out, by holder.</summary>
    [Id(0)]
    public Dictionary<string, BudgetShare> Shares { get; init; } = [];

    /// <summary>The UTC day that <see cref="Spent"/> counts.</summary>
    [Id(1)]
    public DateOnly Day { get; init; }

    /// <summary>Requests of the day that are known to be sent, or can no longer be known not to be.</summary>
    [Id(2)]
    public long Spent { get; init; }

    /// <summary>Until when nothing is sent.</summary>
    [Id(3)]
    public DateTimeOffset? HoldOffUntil { get; init; }

    /// <summary>Back-offs of our own choice in a row.</summary>
    [Id(4)]
    public int Strikes { get; init; }
}

/// <summary>What one holder was dealt.</summary>
/// <param name="Permits">Permits out.</param>
/// <param name="Slots">Slots out.</param>
/// <param name="Quota">Requests of the daily quota out: dealt and not known to be sent.</param>
/// <param name="Sent">Requests that it reported as sent in its life.</param>
/// <param name="Sequence">Its last demand.</param>
/// <param name="WindowSeconds">The longest window that its permits were dealt under.</param>
/// <param name="Left">Whether it is known to send nothing more.</param>
[GenerateSerializer, Immutable, Alias("ehr.BudgetShare")]
internal sealed record BudgetShare(
    [property: Id(0)] int Permits,
    [property: Id(1)] int Slots,
    [property: Id(2)] long Quota,
    [property: Id(3)] long Sent,
    [property: Id(4)] long Sequence,
    [property: Id(5)] int WindowSeconds,
    [property: Id(6)] bool Left);

namespace EhrGrains.Grains.Budgets;

/// <summary>
/// The times that the site budget rests on; docs/decisions/0004-site-budget.md derives them.
/// </summary>
internal static class BudgetTiming
{
    /// <summary>
    /// How long a lease holds. Long enough for a silo to ride out the loss of the silo that the budget grain was on (some 8 s until
    /// the cluster has noticed), short enough that the permits of a dead silo are missed only briefly.
    /// </summary>
    internal static readonly TimeSpan Term = TimeSpan.FromSeconds(12);

    /// <summary>A silo with work asks again this often, and so learns what the others need.</summary>
    internal static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(1);

    /// <summary>A silo without work gives its permits back after this time.</summary>
    internal static readonly TimeSpan KeepIdle = TimeSpan.FromSeconds(10);

    /// <summary>The longest that a request is taken to be on its way to the hospital once it is written to the connection.</summary>
    internal static readonly TimeSpan Transit = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// An activation of the budget grain that has not written for this long writes before it answers: another activation may have
    /// taken over, and only a write can tell.
    /// </summary>
    internal static readonly TimeSpan ConfirmEvery = TimeSpan.FromSeconds(5);

    /// <summary>What two monotonic clocks may drift apart in a term.</summary>
    internal static readonly TimeSpan Drift = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest Retry-After that is believed.</summary>
    internal static readonly TimeSpan HoldOffMax = TimeSpan.FromHours(1);

    /// <summary>The longest back-off of our own choice, when a hospital names none.</summary>
    internal static readonly TimeSpan BackOffMax = TimeSpan.FromMinutes(5);

    /// <summary>For so long after the last one more queries are expected that somebody waits for.</summary>
    internal static readonly TimeSpan ReserveFor = TimeSpan.FromMinutes(10);

    /// <summary>While they are, they can have one part in so many of what a silo has, whatever else there is to do.</summary>
    internal const int ReserveAsked = 4;

    /// <summary>One part in so many is free for whoever asks next, also when they have had theirs and when nobody has asked lately.</summary>
    internal const int ReserveAlways = 10;
}

namespace EhrGrains.Grains.Budgets;

/// <summary>
/// A request was not given its permit in the time that its lane allows: the budget is used up, or the hospital asked for a pause.
/// </summary>
public sealed class BudgetRefusedException : Exception
{
    internal BudgetRefusedException(string message, TimeSpan retryAfter, Exception? inner = null)
        : base(message, inner) => RetryAfter = retryAfter;

    /// <summary>When asking again may help.</summary>
    public TimeSpan RetryAfter { get; }
}

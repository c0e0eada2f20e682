namespace EhrGrains.Grains;

/// <summary>
/// Starts work of the silo itself that a call happened to cause: not on the caller's scheduler (a grain's turn) and without its
/// execution context (its ticket, its trace), because others will wait for the same work.
/// </summary>
internal static class Detached
{
    internal static Task<T> RunAsync<T>(Func<Task<T>> work)
    {
        var flowing = !ExecutionContext.IsFlowSuppressed();
        if (flowing)
        {
            ExecutionContext.SuppressFlow();
        }

        try
        {
            return Task.Run(work);
        }
        finally
        {
            if (flowing)
            {
                ExecutionContext.RestoreFlow();
            }
        }
    }
}

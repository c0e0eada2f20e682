namespace EhrGrains.Connect.Ehr;

/// <summary>
/// The right to send one request. <paramref name="arrived"/> is called once, when the hospital has certainly seen the request: its
/// answer's headers are here, or the attempt has failed; from then on the contract's window is counted. <paramref name="ended"/> is
/// called once, after that, when the request is no longer under way at the hospital: its body is read or given up.
/// </summary>
public sealed class BudgetPermit(Action arrived, Action? ended = null) : IDisposable
{
    private Action? arrived = arrived;
    private Action? ended = ended;

    /// <summary>The hospital has seen the request. Further calls do nothing.</summary>
    public void Arrived() => Interlocked.Exchange(ref arrived, null)?.Invoke();

    /// <summary>The request is over. Further calls do nothing.</summary>
    public void Dispose()
    {
        Arrived();
        Interlocked.Exchange(ref ended, null)?.Invoke();
    }
}

using System.Text;

namespace EhrGrains.Connect.Ehr;

/// <summary>
/// The right to send one request. <paramref name="arrived"/> is called once when the hospital has certainly seen it, because its answer's
/// headers are here; not when the attempt failed. <paramref name="ended"/> is called once when it is no longer under way: its body is
/// read or given up. <paramref name="trySend"/> is called just before the request is written to its connection and says whether the right
/// still holds: opening the connection may have taken seconds, or the process may have been paused.
/// </summary>
public sealed class BudgetPermit(Action arrived, Action? ended = null, Func<bool>? trySend = null) : IDisposable
{
    private static readonly HttpRequestOptionsKey<BudgetPermit> Option = new("ehrgrains.permit");

    private readonly Func<bool> trySend = trySend ?? (static () => true);
    private Action? arrived = arrived;
    private Action? ended = ended;

    /// <summary>The hospital has seen the request. Further calls do nothing.</summary>
    public void Arrived() => Interlocked.Exchange(ref arrived, null)?.Invoke();

    /// <summary>The request is over. Further calls do nothing.</summary>
    public void Dispose() => Interlocked.Exchange(ref ended, null)?.Invoke();

    /// <summary>
    /// The same permit with one more condition: asked after its own, each time the request is about to be written. Who has asked for a
    /// write knows by it whether the hospital can have seen anything.
    /// </summary>
    public BudgetPermit If(Func<bool> maySend) => new(Arrived, Dispose, () => this.trySend() && maySend());

    /// <summary>Makes the request one of this permit.</summary>
    internal void Attach(HttpRequestMessage message) => message.Options.Set(Option, this);

    /// <summary>
    /// The handler's <see cref="SocketsHttpHandler.RequestHeaderEncodingSelector"/>: the one hook that runs when a request is written, on
    /// the connection it has got, each time it is written. It chooses no encoding; it asks the permit, once a writing.
    /// </summary>
    /// <exception cref="PermitLapsedException">The right has lapsed; nothing was sent.</exception>
    internal static Encoding? OnHeaderWritten(string name, HttpRequestMessage message)
    {
        if (name == "Authorization" && message.Options.TryGetValue(Option, out var permit) && !permit.trySend())
        {
            throw new PermitLapsedException();
        }

        return null;
    }
}

/// <summary>The right to send was gone when the request was about to be written.</summary>
internal sealed class PermitLapsedException() : Exception("The permit of the site budget lapsed before the request was sent.")
{
    public static bool IsIn(Exception? exception)
    {
        while (exception is not null and not PermitLapsedException)
        {
            exception = exception.InnerException;
        }

        return exception is not null;
    }
}

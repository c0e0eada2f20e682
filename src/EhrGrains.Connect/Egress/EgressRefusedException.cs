namespace EhrGrains.Connect.Egress;

/// <summary>The egress guard let nothing out. The message names what to do and holds no address, no path and no secret.</summary>
public sealed class EgressRefusedException(EgressRefusal reason, string message) : Exception(message)
{
    /// <summary>Why.</summary>
    public EgressRefusal Reason { get; } = reason;

    internal static EgressRefusedException? In(Exception? exception)
    {
        while (exception is not null and not EgressRefusedException)
        {
            exception = exception.InnerException;
        }

        return exception as EgressRefusedException;
    }
}

/// <summary>Why the egress guard refused.</summary>
public enum EgressRefusal
{
    /// <summary>Plain http, where it is not to a loopback address that the tenant names.</summary>
    Scheme,

    /// <summary>Every address of the host is outside what the tenant may be reached at.</summary>
    Address,
}

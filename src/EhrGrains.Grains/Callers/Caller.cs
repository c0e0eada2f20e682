using EhrGrains.Contracts.Apps;

namespace EhrGrains.Grains.Callers;

/// <summary>
/// Who a call is made for. Making one proves nothing: grains see only what <see cref="CallerGate"/> read out of a ticket or a
/// token that it verified.
/// </summary>
/// <param name="App">The app; never set on system work.</param>
/// <param name="Role">What the app may be used for.</param>
/// <param name="Scopes">The scopes of its access token; what it may do at a tenant is these and the tenant's grant.</param>
/// <param name="ExpiresAt">Until when this holds.</param>
public sealed record Caller(AppId App, AppRole Role, IReadOnlyList<string> Scopes, DateTimeOffset ExpiresAt)
{
    private static readonly AsyncLocal<Caller?> Ambient = new();

    /// <summary>The verified caller of the grain call under way; null where the method is public or no call is under way.</summary>
    public static Caller? Current
    {
        get => Ambient.Value;
        internal set => Ambient.Value = value;
    }

    /// <summary>True for the cluster's own work: timers, reminders, caches. It may call internal methods and nothing else.</summary>
    public bool IsSystem { get; private init; }

    internal static Caller System(DateTimeOffset expiresAt) => new(default, AppRole.Application, [], expiresAt) { IsSystem = true };
}

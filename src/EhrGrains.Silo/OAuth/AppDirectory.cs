using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Grains.Apps;
using EhrGrains.Grains.Callers;

namespace EhrGrains.Silo.OAuth;

/// <summary>Asks app grains who a client is, as the cluster's own work: whoever asks for a token is nobody yet.</summary>
internal sealed class AppDirectory(IGrainFactory grains, CallerTickets tickets, AppSecrets secrets)
{
    // Compared with when the app is not known, so that the answer takes as long as for one that is.
    private static readonly AppClient Nobody = new(new AppSpec { App = AppId.Parse("nobody", null), DisplayName = "Nobody" }, new byte[32]);

    /// <summary>Whether the secret is the app's; false for an app that is not known or that has keys instead.</summary>
    internal bool IsSecretOf(AppClient? client, string? secret) => secrets.Matches(client ?? Nobody, secret);


    internal async Task<AppClient?> FindAsync(AppId app, CancellationToken cancellationToken)
    {
        using var system = tickets.EnterSystem();
        return await grains.GetGrain<IAppGrain>(GrainKeys.App(app)).GetClientAsync(cancellationToken);
    }
}

using EhrGrains.Connect.Bulk;
using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Preflight;
using EhrGrains.Connect.Smart;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace EhrGrains.Connect;

/// <summary>Registration of what talks with hospitals.</summary>
public static class ConnectServices
{
    /// <summary>
    /// Adds the egress clients, discovery, the token client and the EHR client. Options come from the section <c>EhrGrains:Connect</c>; a
    /// value out of its range stops the start and is named.
    /// </summary>
    public static IServiceCollection AddEhrGrainsConnect(this IServiceCollection services)
    {
        services.AddMetrics();
        services.AddLogging();
        services.TryAddSingleton(TimeProvider.System);
        services.AddOptions<ConnectOptions>().BindConfiguration("EhrGrains:Connect").ValidateOnStart();
        services.TryAddSingleton<IValidateOptions<ConnectOptions>, ConnectOptionsValidator>();
        services.TryAddSingleton(static provider => provider.GetRequiredService<IOptions<ConnectOptions>>().Value);
        services.TryAddSingleton<ConnectMetrics>();
        services.TryAddSingleton<EgressClients>();
        services.TryAddSingleton<SmartDiscovery>();
        services.TryAddSingleton<SiteStatements>();
        services.TryAddSingleton<TokenClient>();
        services.TryAddSingleton<EhrClient>();
        services.TryAddSingleton<BulkClient>();
        services.TryAddSingleton<BulkFiles>();
        services.TryAddSingleton<SiteProbes>();
        return services;
    }
}

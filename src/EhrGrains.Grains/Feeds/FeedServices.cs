using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace EhrGrains.Grains.Feeds;

/// <summary>Registration of feeds.</summary>
internal static class FeedServices
{
    internal static void AddFeeds(this ISiloBuilder silo)
    {
        var services = silo.Services;
        services.AddMetrics();
        services.AddSingleton<FeedMetrics>();
        services.AddSingleton<SenderCertificates>();
        services.AddSingleton<FeedNudges>();
        services.AddSingleton<FeedDirectory>();
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredService<FeedDirectory>());
    }
}

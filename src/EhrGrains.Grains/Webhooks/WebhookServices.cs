using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Changes;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.Changes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace EhrGrains.Grains.Webhooks;

/// <summary>Registration of changes and their webhooks.</summary>
internal static class WebhookServices
{
    internal static void AddChanges(this ISiloBuilder silo)
    {
        var services = silo.Services;
        services.AddMetrics();
        services.AddOptions<WebhookOptions>().BindConfiguration("EhrGrains:Webhooks");
        services.AddSingleton<DisclosureAudit>();
        services.AddSingleton<WebhookMetrics>();
        services.AddSingleton<WebhookSender>();
        services.AddSingleton<WebhookPayloads>();
        services.AddSingleton<WebhookDirectory>();
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredService<WebhookDirectory>());
        services.AddSingleton<ChangeNews>();
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredService<ChangeNews>());
        services.AddSingleton(provider => new ChangeReader(
            provider.GetRequiredService<ChangeLog>(),
            provider.GetRequiredService<ChangeNews>(),
            provider.GetRequiredService<TenantSnapshots>(),
            provider.GetRequiredService<DisclosureAudit>(),
            provider.GetRequiredService<TimeProvider>()));
    }
}

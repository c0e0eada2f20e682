using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Writes;
using EhrGrains.Storage.Writes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace EhrGrains.Grains.Writes;

/// <summary>Registration of writing back.</summary>
internal static class WriteServices
{
    internal static void AddWrites(this ISiloBuilder silo)
    {
        var services = silo.Services;
        services.AddMetrics();
        services.AddSingleton<WriteMetrics>();
        services.TryAddSingleton(WriteOptions.Default);
        services.AddSingleton<WriteForms>();
        services.AddSingleton<WriteIntake>();
        services.AddSingleton<IHostedService>(provider => new DueWaker<TenantId>(provider, new DueWork<TenantId>(
            "outboxes",
            provider.GetRequiredService<WriteTable>().DueTenantsAsync,
            (grains, tenant) => grains.GetGrain<IWritesGrain>(GrainKeys.Tenant(tenant)).NudgeAsync(CancellationToken.None))));
    }
}

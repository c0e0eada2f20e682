using EhrGrains.Contracts;
using EhrGrains.Contracts.Sync;
using EhrGrains.Storage.Sync;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace EhrGrains.Grains.Sync;

/// <summary>Registration of copying.</summary>
internal static class SyncServices
{
    internal static void AddSync(this ISiloBuilder silo)
    {
        var services = silo.Services;
        services.AddMetrics();
        services.AddSingleton<SyncMetrics>();
        services.TryAddSingleton(SyncOptions.Default);
        services.AddSingleton<CursorSeals>();
        services.AddSingleton<SyncHints>();
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredService<SyncHints>());
        services.AddSingleton<IHostedService>(provider => new DueWaker<int>(provider, new DueWork<int>(
            "shards",
            (_, countMax, cancellationToken) => provider.GetRequiredService<SyncTable>().ShardsAsync(countMax, cancellationToken),
            (grains, shard) => grains.GetGrain<ISyncShardGrain>(GrainKeys.SyncShard(shard)).NudgeAsync(CancellationToken.None))));
    }
}

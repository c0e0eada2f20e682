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
        services.AddSingleton<WriteWaker>();
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredService<WriteWaker>());
    }
}

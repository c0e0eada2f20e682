using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace EhrGrains.Grains.Records;

/// <summary>Registration of patient records and of the mapping into them.</summary>
internal static class RecordServices
{
    internal static void AddRecords(this ISiloBuilder silo)
    {
        var services = silo.Services;
        services.AddMetrics();
        services.AddSingleton<RecordMetrics>();
        services.TryAddSingleton(new RecordBounds());
        services.AddSingleton<CopiedRecords>();
        services.AddSingleton<SiteMappings>();
        services.AddSingleton<PatientMatching>();
        services.AddSingleton<MergeEvents>();
        services.AddSingleton<FeedMapping>();
    }
}

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace EhrGrains.Grains.Populations;

/// <summary>Registration of cohorts and bulk exports.</summary>
internal static class PopulationServices
{
    internal static void AddPopulations(this ISiloBuilder silo)
    {
        var services = silo.Services;
        services.AddMetrics();
        services.AddSingleton<PopulationMetrics>();
        services.AddSingleton<PatientFinder>();
        services.AddSingleton<BulkIntake>();
        services.AddSingleton<MessageEnrolment>();
        services.AddSingleton<CohortWaker>();
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredService<CohortWaker>());
    }
}

using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Populations;
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
        services.AddSingleton<IHostedService>(provider => new DueWaker<(TenantId Tenant, CohortId Cohort)>(provider, new DueWork<(TenantId Tenant, CohortId Cohort)>(
            "cohorts",
            provider.GetRequiredService<CohortTable>().DueAsync,
            (grains, key) => grains.GetGrain<IPopulationSyncGrain>(GrainKeys.Cohort(key.Tenant, key.Cohort)).NudgeAsync(CancellationToken.None))));
    }
}

using EhrGrains.Grains.Budgets;
using EhrGrains.Grains.Callers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Query;

/// <summary>Registration of queries and site budgets.</summary>
public static class QueryServices
{
    /// <summary>Adds what a silo keeps for queries: its part of the site budgets, cursors, the prepared normalizers.</summary>
    public static ISiloBuilder AddQueries(this ISiloBuilder silo)
    {
        var services = silo.Services;
        services.AddMetrics();
        services.AddSingleton<QueryMetrics>();
        services.AddSingleton(provider => new BudgetLeases(
            provider.GetRequiredService<ILocalSiloDetails>(),
            provider.GetRequiredService<IGrainFactory>(),
            provider.GetRequiredService<CallerTickets>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<QueryMetrics>(),
            provider.GetRequiredService<ILogger<BudgetLeases>>()));
        services.AddSingleton<EhrLine>();
        services.AddSingleton<Cursors>();
        services.AddSingleton<Normalizers>();
        services.AddSingleton<QueryAudit>();
        services.AddSingleton<EhrPatientLinks>();
        services.AddSingleton<RecordAnswers>();
        services.AddSingleton<QueryFlow>();
        services.AddSingleton(provider => new Queries(
            provider.GetRequiredService<QueryFlow>(),
            provider.GetRequiredService<QueryMetrics>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<Queries>>()));
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(provider => provider.GetRequiredService<BudgetLeases>());
        return silo;
    }
}

using EhrGrains.Grains.Apps;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Credentials;
using EhrGrains.Grains.DataContracts;
using EhrGrains.Grains.Feeds;
using EhrGrains.Grains.Populations;
using EhrGrains.Grains.Query;
using EhrGrains.Grains.Records;
using EhrGrains.Grains.Sync;
using EhrGrains.Grains.Tenants;
using EhrGrains.Grains.Tokens;
using EhrGrains.Grains.Webhooks;
using EhrGrains.Grains.Writes;
using EhrGrains.Storage.Keys;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace EhrGrains.Grains;

/// <summary>Registration of the grains and of what each silo keeps beside them.</summary>
public static class GrainServices
{
    /// <summary>
    /// Adds the gate before every grain call, the silo's own caches and the services of the grains. Needs the tables and the
    /// sealed storage of EhrGrains.Storage and the hospital clients of EhrGrains.Connect. Options come from the sections
    /// <c>EhrGrains:Auth</c> and <c>EhrGrains:Credentials</c>.
    /// </summary>
    public static ISiloBuilder AddEhrGrains(this ISiloBuilder silo)
    {
        silo.AddTenants();
        silo.AddQueries();
        silo.AddFeeds();
        silo.AddRecords();
        silo.AddChanges();
        silo.AddSync();
        silo.AddPopulations();
        silo.AddWrites();
        silo.AddIncomingGrainCallFilter<CallerGate>();
        return silo;
    }

    private static void AddTenants(this ISiloBuilder silo)
    {
        var services = silo.Services;
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<GrainMetrics>();

        services.AddOptions<AccessTokenOptions>().BindConfiguration("EhrGrains:Auth");
        services.AddSingleton(provider => new CallerTickets(
            provider.GetRequiredService<KeyRing>().DeriveClusterKey(CallerTickets.KeyPurpose),
            provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<AccessTokenValidator>();

        services.AddSingleton<TenantSnapshots>();
        services.AddSingleton<TokenHand>();
        services.AddSingleton<TokenRequests>();

        services.AddOptions<CredentialOptions>().BindConfiguration("EhrGrains:Credentials").ValidateOnStart();
        services.AddSingleton<IValidateOptions<CredentialOptions>, CredentialOptionsValidator>();
        services.AddSingleton<CredentialSecrets>();
        services.AddSingleton<CredentialCheck>();

        services.AddSingleton<CommandAudit>();
        services.AddSingleton<CoverageRun>();
        services.AddSingleton(provider => new AppSecrets(provider.GetRequiredService<KeyRing>().DeriveClusterKey(AppSecrets.KeyPurpose)));
    }
}

using EhrGrains.Storage.Audit;
using EhrGrains.Storage.Changes;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Feeds;
using EhrGrains.Storage.Ids;
using EhrGrains.Storage.Journal;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.OneTime;
using EhrGrains.Storage.Outbound;
using EhrGrains.Storage.Paging;
using EhrGrains.Storage.Populations;
using EhrGrains.Storage.Records;
using EhrGrains.Storage.SigningKeys;
using EhrGrains.Storage.Sync;
using EhrGrains.Storage.Tenants;
using EhrGrains.Storage.Webhooks;
using EhrGrains.Storage.Writes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Storage;

/// <summary>Registers what this project offers.</summary>
public static class StorageServices
{
    /// <summary>
    /// Adds the key ring, the audit log, the journal and the patient records with their writers, and the tables. Needs <see cref="Database"/>, <see cref="RootKey"/> and
    /// <see cref="TimeProvider"/> among the services. Add it before the silo: hosted services stop in reverse order, and the
    /// audit writer has to outlive the grains.
    /// </summary>
    public static IServiceCollection AddEhrGrainsTables(this IServiceCollection services)
    {
        // The writers wait for the database by its own clock: whoever lets time pass for the rest does not make a commit late.
        services.AddMetrics();
        services.AddSingleton<StorageMetrics>();
        services.AddSingleton<KeyRing>();
        services.AddSingleton(s => new AuditLog(
            s.GetRequiredService<Database>(),
            s.GetRequiredService<KeyRing>(),
            s.GetRequiredService<Database>().Time,
            s.GetRequiredService<StorageMetrics>(),
            s.GetRequiredService<ILogger<AuditLog>>()));
        services.AddHostedService(s => s.GetRequiredService<AuditLog>());
        services.AddSingleton(s => new JournalWriter(
            s.GetRequiredService<Database>(),
            s.GetRequiredService<KeyRing>(),
            s.GetRequiredService<Database>().Time,
            s.GetRequiredService<StorageMetrics>(),
            s.GetRequiredService<ILogger<JournalWriter>>()));
        services.AddHostedService(s => s.GetRequiredService<JournalWriter>());
        services.AddSingleton<JournalRetention>();
        services.AddHostedService(s => s.GetRequiredService<JournalRetention>());
        services.AddSingleton(s => new RecordWriter(
            s.GetRequiredService<Database>(),
            s.GetRequiredService<KeyRing>(),
            s.GetRequiredService<Database>().Time,
            s.GetRequiredService<StorageMetrics>(),
            s.GetRequiredService<ILogger<RecordWriter>>()));
        services.AddHostedService(s => s.GetRequiredService<RecordWriter>());
        services.AddSingleton<RecordStore>();
        services.AddSingleton<RecordDirectory>();
        services.AddSingleton<PatientIdentities>();
        services.AddSingleton<MappingExceptions>();
        services.AddSingleton<JournalReader>();
        services.AddSingleton<FeedProgress>();
        services.AddSingleton<FeedTable>();
        services.AddSingleton<OutboundQueue>();
        services.AddSingleton<ChangeLog>();
        services.AddHostedService<ChangeRetention>();
        services.AddSingleton<WebhookTable>();
        services.AddSingleton<SyncTable>();
        services.AddSingleton<SyncReports>();
        services.AddSingleton<CohortTable>();
        services.AddSingleton<BulkFileTable>();
        services.AddSingleton<WriteTable>();
        services.AddSingleton<TenantTable>();
        services.AddSingleton<IdAliasTable>();
        services.AddSingleton<SigningKeyTable>();
        services.AddSingleton<OneTimeTable>();
        services.AddSingleton<PagingTable>();
        services.AddHostedService(s => s.GetRequiredService<PagingTable>());
        return services;
    }
}

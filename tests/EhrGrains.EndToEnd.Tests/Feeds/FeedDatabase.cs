using System.Text;
using System.Text.Json;
using EhrGrains.Contracts.Changes;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage;
using EhrGrains.Storage.Changes;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Feeds;
using EhrGrains.Storage.Journal;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.Records;
using EhrGrains.Testing;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.EndToEnd.Tests.Feeds;

/// <summary>A database with feeds in it, as the test sees it from outside of the silo.</summary>
internal sealed class FeedDatabase : IAsyncDisposable
{
    private readonly PostgresDatabase? postgres;
    private readonly ServiceProvider services;

    private FeedDatabase(DatabaseKind kind, PostgresDatabase? postgres)
    {
        Kind = kind;
        this.postgres = postgres;
        ConnectionString = postgres?.AppConnectionString ?? $"Data Source={Directory.File("ehrgrains.db")}";
        services = new ServiceCollection()
            .AddLogging()
            .AddSingleton(TimeProvider.System)
            .AddSingleton(RootKey.LoadOrCreate(Directory.File("root.key")))
            .AddSingleton(s => Database.Open(kind, ConnectionString, TimeProvider.System, s.GetRequiredService<Microsoft.Extensions.Logging.ILoggerFactory>()))
            .AddEhrGrainsTables()
            .BuildServiceProvider();
    }

    internal static TenantId Tenant { get; } = TenantId.Parse("st-mary");

    internal DatabaseKind Kind { get; }

    internal TempDirectory Directory { get; } = new();

    internal string ConnectionString { get; }

    internal PostgresDatabase Postgres => postgres ?? throw new InvalidOperationException("This is SQLite.");

    internal IServiceProvider Services => services;

    internal static FeedId Feed(int number) => FeedId.Parse($"adt{number}");

    /// <summary>MSH-4 of a feed's messages.</summary>
    internal static string Facility(int number) => $"WARD{number}";

    internal static async Task<FeedDatabase> CreateAsync(DatabaseKind kind, CancellationToken cancellationToken)
    {
        var server = kind == DatabaseKind.PostgreSql ? await PostgresServer.CreateDatabaseAsync(cancellationToken) : null;
        var database = new FeedDatabase(kind, server);
        await using var owner = Database.Open(
            kind, server?.OwnerConnectionString ?? database.ConnectionString, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance);
        await owner.MigrateAsync(cancellationToken);
        return database;
    }

    /// <summary>Registers feeds, each known by its sending facility.</summary>
    internal Task RegisterAsync(int count, CancellationToken cancellationToken)
    {
        var specs = Enumerable.Range(0, count).ToDictionary(
            Feed,
            i => JsonSerializer.Serialize(
                new
                {
                    isOpen = true,
                    spec = new { feed = Feed(i).Value, displayName = Feed(i).Value, inbound = new { match = new { sendingFacility = Facility(i) } } },
                }));
        return services.GetRequiredService<FeedTable>().SaveAsync(new TenantFeeds(Tenant, 1, specs), cancellationToken);
    }

    /// <summary>What the journal of a feed holds, read to its end.</summary>
    internal async Task<List<KeptMessage>> ReadAsync(int feed, CancellationToken cancellationToken)
    {
        var kept = new List<KeptMessage>();
        while (true)
        {
            var page = await services.GetRequiredService<JournalReader>()
                .ReadAsync(Tenant, Feed(feed), kept.Count, 1000, int.MaxValue, cancellationToken);
            if (page.Count == 0)
            {
                return kept;
            }

            kept.AddRange(page.Select(e => new KeptMessage(e.Position, Encoding.ASCII.GetString(e.Message.Span).Split('|')[9], e.Resends)));
        }
    }

    /// <summary>Waits until a feed has processed all of its journal.</summary>
    internal async Task ProcessedAsync(int feed, CancellationToken cancellationToken)
    {
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (await services.GetRequiredService<FeedProgress>().ReadAsync(Tenant, Feed(feed), cancellationToken) is var standing && standing.Position < standing.Last)
        {
            await pace.WaitForNextTickAsync(cancellationToken);
        }
    }

    /// <summary>The messages that a sender's patient's record has taken, oldest first: one for each version of the Patient.</summary>
    internal async Task<List<string>> ReadRecordAsync(int sender, CancellationToken cancellationToken)
    {
        var owner = (await services.GetRequiredService<PatientIdentities>().FindAsync(Tenant, [$"authority:NORTH|S{sender}"], cancellationToken))[0];
        if (owner?.Current is not { } patient)
        {
            return [];
        }

        var taken = new List<string>();
        for (var version = 1; await services.GetRequiredService<RecordStore>().ReadVersionAsync(
            Tenant, patient, new RecordKey("Patient", patient.Value), version, cancellationToken) is { } row; version++)
        {
            taken.Add(JsonDocument.Parse(row.Content).RootElement.GetProperty("name")[0].GetProperty("family").GetString()!);
        }

        return taken;
    }

    /// <summary>All changes of the tenant.</summary>
    internal async Task<List<ChangeRecord>> ReadChangesAsync(CancellationToken cancellationToken)
    {
        var changes = new List<ChangeRecord>();
        while ((await services.GetRequiredService<ChangeLog>().ReadAsync(Tenant, changes.Count, 1000, cancellationToken)).Rows is { Count: > 0 } rows)
        {
            changes.AddRange(rows);
        }

        return changes;
    }

    public async ValueTask DisposeAsync()
    {
        await services.DisposeAsync();
        if (postgres is not null)
        {
            await postgres.DisposeAsync();
        }

        Directory.Dispose();
    }
}

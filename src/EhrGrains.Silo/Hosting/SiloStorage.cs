using EhrGrains.Silo.Configuration;
using EhrGrains.Silo.Telemetry;
using EhrGrains.Storage;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Silo.Hosting;

/// <summary>The database and the root key, and the checks without which nothing starts.</summary>
internal static class SiloStorage
{
    internal static void AddSiloStorage(this IServiceCollection services, SiloOptions options)
    {
        services.AddSingleton(provider =>
        {
            MakeDataDirectory(options);
            return Database.Open(
                options.Database.Kind!.Value, options.Database.ConnectionString!, provider.GetRequiredService<TimeProvider>(),
                provider.GetRequiredService<ILoggerFactory>());
        });
        services.AddSingleton(_ =>
        {
            MakeDataDirectory(options);
            return options.Mode == SiloMode.Embedded ? RootKey.LoadOrCreate(options.RootKeyFile!) : RootKey.Load(options.RootKeyFile!);
        });
        services.AddHostedService<StorageStart>();
        services.AddEhrGrainsTables();
    }

    private static void MakeDataDirectory(SiloOptions options)
    {
        if (options.Mode == SiloMode.Embedded && OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(options.DataDirectory);
        }
        else if (options.Mode == SiloMode.Embedded)
        {
            const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            Directory.CreateDirectory(options.DataDirectory, OwnerOnly);
        }
    }

    /// <summary>Runs before anything else starts: an embedded database is brought up to date, and any database is checked.</summary>
    private sealed class StorageStart(SiloOptions options, Database database, ILogger<StorageStart> log) : IHostedLifecycleService
    {
        public async Task StartingAsync(CancellationToken cancellationToken)
        {
            if (options.Mode == SiloMode.Embedded)
            {
                var applied = await database.MigrateAsync(cancellationToken);
                log.Migrated(applied.Count);
            }

            await database.CheckAsync(cancellationToken);
        }

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}

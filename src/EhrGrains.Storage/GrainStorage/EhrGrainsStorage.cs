using EhrGrains.Storage.Databases;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Runtime.Hosting;

namespace EhrGrains.Storage.GrainStorage;

/// <summary>
/// Orleans' storage, reminders and membership over our one database. <see cref="Database"/> and the key ring come from the
/// services.
/// </summary>
public static class EhrGrainsStorage
{
    /// <summary>The name of the grain storage, for <c>[PersistentState("state", EhrGrainsStorage.Name)]</c>.</summary>
    public const string Name = "ehr";

    /// <summary>Sealed grain storage under <see cref="Name"/>, and reminders.</summary>
    public static ISiloBuilder AddEhrGrainsStorage(this ISiloBuilder silo)
    {
        silo.Services.AddGrainStorage(Name, SealedGrainStorage.Create);
        silo.UseAdoNetReminderService((OptionsBuilder<AdoNetReminderTableOptions> builder) =>
            builder.Configure<Database>((options, database) =>
            {
                options.Invariant = Invariant(database.Kind);
                options.DataSource = database.DataSource;
            }));
        return silo;
    }

    /// <summary>Membership in the database, for several silos.</summary>
    public static ISiloBuilder UseEhrGrainsClustering(this ISiloBuilder silo)
    {
        silo.UseAdoNetClustering((OptionsBuilder<AdoNetClusteringSiloOptions> builder) =>
            builder.Configure<Database>((options, database) =>
            {
                options.Invariant = Invariant(database.Kind);
                options.DataSource = database.DataSource;
            }));
        return silo;
    }

    /// <summary>Orleans' names of the drivers; by "System.Data.SQLite" it means Microsoft.Data.Sqlite.</summary>
    internal static string Invariant(DatabaseKind kind) => kind == DatabaseKind.PostgreSql ? "Npgsql" : "System.Data.SQLite";
}

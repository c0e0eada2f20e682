using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using EhrGrains.Testing;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Orleans.TestingHost;

namespace EhrGrains.Storage.Tests;

/// <summary>One migrated database of either kind, and a way to tamper with it behind our back.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    private readonly TempDirectory directory = new();
    private readonly PostgresDatabase? postgres;
    private readonly string connectionString;

    private TestDatabase(DatabaseKind kind, PostgresDatabase? postgres)
    {
        Kind = kind;
        this.postgres = postgres;
        connectionString = postgres?.AppConnectionString ?? $"Data Source={directory.File("ehrgrains.db")}";
        Root = RootKey.LoadOrCreate(directory.File("root.key"));
        Database = Open(TimeProvider.System);
    }

    public DatabaseKind Kind { get; }

    /// <summary>As a silo opens it.</summary>
    public Database Database { get; }

    public RootKey Root { get; }

    public PostgresDatabase Postgres => postgres ?? throw new InvalidOperationException("This is SQLite.");

    public string SqliteFile => directory.File("ehrgrains.db");

    public static async Task<TestDatabase> CreateAsync(DatabaseKind kind, CancellationToken cancellationToken)
    {
        var test = await CreateEmptyAsync(kind, cancellationToken);
        await using var owner = test.OpenAsOwner();
        await owner.MigrateAsync(cancellationToken);
        return test;
    }

    public static async Task<TestDatabase> CreateEmptyAsync(DatabaseKind kind, CancellationToken cancellationToken) =>
        new(kind, kind == DatabaseKind.PostgreSql ? await PostgresServer.CreateDatabaseAsync(cancellationToken) : null);

    /// <summary>As another silo opens it.</summary>
    public Database Open(TimeProvider time, ILoggerFactory? log = null) =>
        Database.Open(Kind, connectionString, time, log ?? NullLoggerFactory.Instance);

    /// <summary>As the role that migrates.</summary>
    public Database OpenAsOwner() => Database.Open(
        Kind, postgres?.OwnerConnectionString ?? connectionString, TimeProvider.System, NullLoggerFactory.Instance);

    public KeyRing NewKeyRing(TimeProvider? time = null) =>
        new(Database, Root, time ?? TimeProvider.System, NullLogger<KeyRing>.Instance);

    /// <summary>Runs SQL as somebody who may do everything.</summary>
    public async Task<int> TamperAsync(string sql)
    {
        await using System.Data.Common.DbConnection connection = postgres is null
            ? new SqliteConnection($"Data Source={SqliteFile};Default Timeout=30")
            : new NpgsqlConnection(postgres.AdminConnectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>The first column of every row, as text, as somebody who may see everything.</summary>
    public async Task<List<string?>> LookAsync(string sql)
    {
        await using System.Data.Common.DbConnection connection = postgres is null
            ? new SqliteConnection($"Data Source={SqliteFile};Default Timeout=30")
            : new NpgsqlConnection(postgres.AdminConnectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var values = new List<string?>();
        while (await reader.ReadAsync(TestContext.Current.CancellationToken))
        {
            values.Add(Convert.ToString(reader.GetValue(0), System.Globalization.CultureInfo.InvariantCulture));
        }

        return values;
    }

    /// <summary>A column of bytes as hexadecimal digits, in SQL.</summary>
    public string Hex(string column) => postgres is null ? $"hex({column})" : $"encode({column}, 'hex')";

    /// <summary>Bytes as an SQL literal.</summary>
    public string Literal(byte[] bytes) => postgres is null
        ? $"x'{Convert.ToHexString(bytes)}'"
        : $"decode('{Convert.ToHexString(bytes)}', 'hex')";

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        if (postgres is null)
        {
            SqliteConnection.ClearAllPools();
        }
        else
        {
            await postgres.DisposeAsync();
        }

        directory.Dispose();
    }
}

/// <summary>One database for all tests of a class.</summary>
public abstract class DatabaseFixture(DatabaseKind kind) : IAsyncDisposable
{
    private Task<TestDatabase>? test;
    private Task<InProcessTestCluster>? cluster;

    /// <summary>Made when the first test asks, so that it is that test which is skipped where there is no PostgreSQL.</summary>
    public Task<TestDatabase> GetAsync() => test ??= TestDatabase.CreateAsync(kind, TestContext.Current.CancellationToken);

    /// <summary>The services of a silo over the database.</summary>
    public async Task<IServiceProvider> GetSiloAsync() =>
        (await (cluster ??= TestCluster.StartAsync(await GetAsync()))).GetSiloServiceProvider();

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (cluster is { IsCompletedSuccessfully: true })
        {
            await (await cluster).DisposeAsync();
        }

        if (test is { IsCompletedSuccessfully: true })
        {
            await (await test).DisposeAsync();
        }
    }
}

public sealed class PostgreSqlFixture() : DatabaseFixture(DatabaseKind.PostgreSql);

public sealed class SqliteFixture() : DatabaseFixture(DatabaseKind.Sqlite);

using Npgsql;

namespace EhrGrains.Testing;

/// <summary>
/// The PostgreSQL that tests run on, named by the environment variable EHRGRAINS_TEST_POSTGRES, which
/// <c>tests/postgres env</c> prints. Tests that need it are skipped, visibly, where the variable is not set.
/// </summary>
public static class PostgresServer
{
    private const string Variable = "EHRGRAINS_TEST_POSTGRES";

    /// <summary>True when there is a PostgreSQL to test on.</summary>
    public static bool IsAvailable => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(Variable));

    /// <summary>Skips the test, visibly, where there is no PostgreSQL to test on.</summary>
    public static void Require() =>
        Assert.SkipUnless(IsAvailable, $"""{Variable} is not set. Run: tests/postgres start; export "$(tests/postgres env)".""");

    /// <summary>Creates an empty throw-away database with its own owner and application roles.</summary>
    public static async Task<PostgresDatabase> CreateDatabaseAsync(CancellationToken cancellationToken)
    {
        var server = Environment.GetEnvironmentVariable(Variable);
        Require();
        var name = $"ehr_{Guid.CreateVersion7():N}";
        var admin = new NpgsqlConnectionStringBuilder(server) { Pooling = false, IncludeErrorDetail = true };
        await using var connection = new NpgsqlConnection(admin.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        foreach (var statement in (string[])
        [
            // The group role that migrations grant to; one for the whole server, so several tests may want to make it at once.
            "DO $$ BEGIN CREATE ROLE ehrgrains_app NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$",
            $"CREATE ROLE {name}_owner LOGIN PASSWORD '{name}'",
            $"CREATE ROLE {name}_app LOGIN PASSWORD '{name}' IN ROLE ehrgrains_app",
        ])
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand(statement));
        }

        await batch.ExecuteNonQueryAsync(cancellationToken);
        await using var create = new NpgsqlCommand($"CREATE DATABASE {name} OWNER {name}_owner", connection);
        await create.ExecuteNonQueryAsync(cancellationToken);
        return new PostgresDatabase(admin, name);
    }
}

/// <summary>A throw-away database; dropped with its roles on disposal.</summary>
public sealed class PostgresDatabase : IAsyncDisposable
{
    private readonly NpgsqlConnectionStringBuilder server;
    private readonly string name;

    internal PostgresDatabase(NpgsqlConnectionStringBuilder server, string name)
    {
        this.server = server;
        this.name = name;
    }

    /// <summary>As superuser, whom row-level security does not bind: for looking at and tampering with rows.</summary>
    public string AdminConnectionString =>
        new NpgsqlConnectionStringBuilder(server.ConnectionString) { Database = name, Pooling = true }.ConnectionString;

    /// <summary>As the role that owns the database and migrates it.</summary>
    public string OwnerConnectionString => For($"{name}_owner");

    /// <summary>As the role that a silo runs as: it owns nothing.</summary>
    public string AppConnectionString => For($"{name}_app");

    /// <summary>The name of the role of <see cref="AppConnectionString"/>.</summary>
    public string AppRole => $"{name}_app";

    /// <summary>Runs SQL as superuser.</summary>
    public async Task ExecuteAsync(string sql, CancellationToken cancellationToken) => await ReadAsync(sql, cancellationToken);

    /// <summary>The first column of every row, as text, as superuser.</summary>
    public async Task<List<string>> ReadAsync(string sql, CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(AdminConnectionString);
        await connection.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var values = new List<string>();
        do
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                values.Add(Convert.ToString(reader.GetValue(0), System.Globalization.CultureInfo.InvariantCulture)!);
            }
        }
        while (await reader.NextResultAsync(cancellationToken));

        return values;
    }

    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        await using var connection = new NpgsqlConnection(server.ConnectionString);
        await connection.OpenAsync(CancellationToken.None);
        foreach (var statement in (string[])
        [
            $"DROP DATABASE {name} WITH (FORCE)",
            $"DROP ROLE {name}_app",
            $"DROP ROLE {name}_owner",
        ])
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(CancellationToken.None);
        }
    }

    private string For(string role) => new NpgsqlConnectionStringBuilder(server.ConnectionString)
    {
        Database = name,
        Username = role,
        Password = name,
        Pooling = true,
    }.ConnectionString;
}

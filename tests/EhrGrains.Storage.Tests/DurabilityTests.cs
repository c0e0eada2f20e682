using System.Diagnostics;
using EhrGrains.Contracts;
using EhrGrains.Storage.Databases;
using EhrGrains.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EhrGrains.Storage.Tests;

/// <summary>A database that may lose what it acknowledged is refused at start-up.</summary>
public sealed class DurabilityTests(PostgreSqlFixture fixture) : IClassFixture<PostgreSqlFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Synchronous_commit_off_for_the_session_is_refused()
    {
        var test = await fixture.GetAsync();
        var settings = new NpgsqlConnectionStringBuilder(test.Postgres.AppConnectionString) { Options = "-c synchronous_commit=off" };
        await using var database = Open(settings.ConnectionString);

        (await RefusalAsync(database)).ShouldHaveSingleItem().ShouldContain("synchronous_commit = on");
    }

    [Fact]
    public async Task Synchronous_commit_off_for_the_role_is_refused()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.PostgreSql, Cancelled);
        await test.TamperAsync($"ALTER ROLE {test.Postgres.AppRole} SET synchronous_commit = off");
        await using var database = test.Open(TimeProvider.System);

        (await RefusalAsync(database)).ShouldHaveSingleItem().ShouldContain("synchronous_commit = on");
    }

    /// <summary>A silo was paused while it held the lock on an audit head: that tenant stood still on every silo.</summary>
    [Fact]
    public async Task A_transaction_that_its_process_left_open_is_ended_by_the_server()
    {
        var test = await fixture.GetAsync();
        await using var paused = Open(test.Postgres.AppConnectionString);
        await using var other = Open(test.Postgres.AppConnectionString);
        await using var left = await paused.DataSource.OpenConnectionAsync(Cancelled);
        await using var transaction = await left.BeginTransactionAsync(Cancelled);
        await LockAsync(left);

        // Comes back when the lock is free; the test's own time-out says that it never was.
        await using var waiting = await other.DataSource.OpenConnectionAsync(Cancelled);
        await using var after = await waiting.BeginTransactionAsync(Cancelled);
        await LockAsync(waiting).WaitAsync(TimeSpan.FromSeconds(20), Cancelled);

        await Should.ThrowAsync<NpgsqlException>(() => LockAsync(left));

        static async Task LockAsync(System.Data.Common.DbConnection connection)
        {
            await using var command = connection.CreateCommand();
            command.CommandText = "SELECT pg_advisory_xact_lock(4711)";
            await command.ExecuteNonQueryAsync(Cancelled);
        }
    }

    [Fact]
    public async Task Fsync_and_full_page_writes_off_are_refused_together_with_the_missing_schema()
    {
        Assert.SkipUnless(PostgresServer.IsAvailable, "There is no PostgreSQL to test with.");
        using var directory = new TempDirectory();
        File.SetUnixFileMode(directory.Path, (UnixFileMode)0x1ED);
        var home = directory.File("unsafe");
        await RunAsync("start", home);
        try
        {
            var line = await RunAsync("env", home);
            var connectionString = line.Trim()[(line.IndexOf('=', StringComparison.Ordinal) + 1)..];
            await using (var connection = new NpgsqlConnection(connectionString))
            {
                await connection.OpenAsync(Cancelled);
                foreach (var sql in (string[])
                    ["ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()"])
                {
                    await using var command = new NpgsqlCommand(sql, connection);
                    await command.ExecuteNonQueryAsync(Cancelled);
                }
            }

            await using var database = Open(connectionString);
            var problems = await RefusalAsync(database);

            problems.Count.ShouldBe(3);
            problems[0].ShouldContain("fsync = on");
            problems[1].ShouldContain("full_page_writes = on");
            problems[2].ShouldContain("ehrgrains db migrate");
        }
        finally
        {
            await RunAsync("stop", home);
        }
    }

    [Theory]
    [InlineData("Host=db", 16)]
    [InlineData("Host=db;Maximum Pool Size=5", 5)]
    public async Task The_pool_is_bounded_also_where_nobody_says_how(string connectionString, int connectionsMax)
    {
        await using var database = Open(connectionString);

        var effective = new NpgsqlConnectionStringBuilder(database.DataSource.ConnectionString);
        (effective.MaxPoolSize, effective.MaxAutoPrepare, effective.NoResetOnClose, effective.IncludeErrorDetail)
            .ShouldBe((connectionsMax, 32, true, false));
    }

    [Fact]
    public async Task A_connection_string_that_cannot_be_read_is_refused_without_repeating_it()
    {
        var refusal = Should.Throw<ProblemException>(() => Open("Host=db;Password=hunter2;Nonsense=1"));

        refusal.Message.ShouldNotContain("hunter2");
        refusal.ToString().ShouldNotContain("hunter2");
        await Task.CompletedTask;
    }

    private static Database Open(string connectionString) =>
        Database.Open(DatabaseKind.PostgreSql, connectionString, TimeProvider.System, NullLoggerFactory.Instance);

    private static async Task<List<string>> RefusalAsync(Database database) =>
        [.. (await Should.ThrowAsync<ProblemException>(() => database.CheckAsync(Cancelled))).Problems.Select(p => p.Message)];

    private static async Task<string> RunAsync(string verb, string home)
    {
        var start = new ProcessStartInfo(Path.Combine(SharedData.RepositoryRoot(), "tests", "postgres"), [verb, home])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(Cancelled);
        await process.WaitForExitAsync(Cancelled);
        process.ExitCode.ShouldBe(0);
        return output;
    }
}

using System.Data;
using System.Data.Common;
using EhrGrains.Contracts;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace EhrGrains.Storage.Databases;

/// <summary>
/// The one database of a cluster: the pool that our own tables and Orleans' providers share, the migrations, and the check that
/// it keeps what it is given. Thread-safe.
/// </summary>
public sealed class Database : IAsyncDisposable
{
    /// <summary>Connections per process to PostgreSQL where the connection string does not say; a server allows 100 by default.</summary>
    private const int ConnectionsMaxDefault = 16;

    /// <summary>SQLite readers that may run beside the one writer.</summary>
    private const int SqliteReadersMax = 4;

    /// <summary>Between two statements of one transaction there is only our own code: a few milliseconds.</summary>
    private const int IdleInTransactionMillisecondsMax = 2_000;

    private readonly DbDataSource readers;
    private readonly DbDataSource relaxed;

    private Database(
        DatabaseKind kind, DbDataSource dataSource, DbDataSource readers, DbDataSource relaxed, TimeProvider time, ILoggerFactory log)
    {
        this.relaxed = relaxed;
        Kind = kind;
        DataSource = dataSource;
        this.readers = readers;
        Time = time;
        Log = log;
    }

    /// <summary>Which product it is.</summary>
    public DatabaseKind Kind { get; }

    /// <summary>Opens connections; shared by Orleans' providers and our own tables. Not to be disposed by users.</summary>
    public DbDataSource DataSource { get; }

    internal TimeProvider Time { get; }

    internal ILoggerFactory Log { get; }

    /// <summary>The database's own clock in microseconds since 1970, as an SQL expression.</summary>
    internal string ClockSql => Kind == DatabaseKind.PostgreSql
        ? "(extract(epoch from clock_timestamp()) * 1000000)::bigint"
        : "CAST(unixepoch('subsec') * 1000000 AS INTEGER)";

    /// <summary>Opens a pool; connects on first use.</summary>
    /// <param name="kind">Which product.</param>
    /// <param name="connectionString">An Npgsql connection string, or <c>Data Source=path</c> for SQLite.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">Where migrations and checks log to.</param>
    /// <exception cref="ProblemException">The connection string cannot be read.</exception>
    public static Database Open(DatabaseKind kind, string connectionString, TimeProvider time, ILoggerFactory log)
    {
        try
        {
            return kind == DatabaseKind.PostgreSql
                ? OpenPostgreSql(connectionString, time, log)
                : OpenSqlite(connectionString, time, log);
        }
        catch (ArgumentException)
        {
            // The message of the driver may quote the string, which holds a password.
            throw new ProblemException(
                ProblemKind.Invalid, "EHR-STO-001", "database.connectionString", $"This is not a connection string for {kind}.");
        }
    }

    /// <summary>Applies the migrations that are missing, in order; returns their names.</summary>
    /// <exception cref="ProblemException">A script that was applied before has been edited since.</exception>
    public Task<IReadOnlyList<string>> MigrateAsync(CancellationToken cancellationToken) => Migrations.ApplyAsync(this, cancellationToken);

    /// <summary>The names of the migrations that are missing.</summary>
    /// <exception cref="ProblemException">A script that was applied before has been edited since.</exception>
    public Task<IReadOnlyList<string>> PendingMigrationsAsync(CancellationToken cancellationToken) =>
        Migrations.PendingAsync(this, cancellationToken);

    /// <summary>
    /// Refuses a database that may lose what it acknowledged, or whose schema is behind this program; names everything that is
    /// wrong and what to do.
    /// </summary>
    /// <exception cref="ProblemException">Something is wrong.</exception>
    public Task CheckAsync(CancellationToken cancellationToken) => DurabilityCheck.RunAsync(this, cancellationToken);

    /// <summary>Closes the pool.</summary>
    public async ValueTask DisposeAsync()
    {
        await DataSource.DisposeAsync();
        await readers.DisposeAsync();
        await relaxed.DisposeAsync();
    }

    /// <summary>Runs one statement that returns rows, in one round trip.</summary>
    internal async Task<List<T>> ReadAsync<T>(
        TenantScope scope, Statement statement, Func<DbDataReader, T> map, CancellationToken cancellationToken)
    {
        await using var session = new Session(await readers.OpenConnectionAsync(cancellationToken), null, Effective(scope));
        return await session.ReadAsync([statement], map, cancellationToken);
    }

    /// <summary>Runs statements in one transaction; returns how many rows they changed together.</summary>
    internal async Task<int> ExecuteAsync(TenantScope scope, IReadOnlyList<Statement> statements, CancellationToken cancellationToken)
    {
        await using var session = await BeginAsync(scope, cancellationToken);
        return await session.CommitAsync(statements, cancellationToken);
    }

    /// <summary>
    /// As <see cref="ExecuteAsync"/>, but without a flush: others see it at once and it survives the end of this process; a machine
    /// that fails may take the last moments with it.
    /// </summary>
    internal async Task<int> ExecuteRelaxedAsync(
        TenantScope scope, IReadOnlyList<Statement> statements, CancellationToken cancellationToken)
    {
        await using var session = await BeginAsync(relaxed, IsolationLevel.ReadCommitted, scope, cancellationToken);
        var unflushed = new Statement("SELECT set_config('synchronous_commit', 'off', true)");
        return await session.CommitAsync(Kind == DatabaseKind.PostgreSql ? [unflushed, .. statements] : statements, cancellationToken);
    }

    /// <summary>Begins a transaction that writes.</summary>
    internal Task<Session> BeginAsync(TenantScope scope, CancellationToken cancellationToken) =>
        BeginAsync(DataSource, IsolationLevel.ReadCommitted, scope, cancellationToken);

    /// <summary>Begins a transaction that reads one unchanging state of the database and does not hinder writers.</summary>
    internal Task<Session> BeginSnapshotAsync(TenantScope scope, CancellationToken cancellationToken) =>
        BeginAsync(readers, IsolationLevel.RepeatableRead, scope, cancellationToken);

    private async Task<Session> BeginAsync(
        DbDataSource source, IsolationLevel isolation, TenantScope scope, CancellationToken cancellationToken)
    {
        var connection = await source.OpenConnectionAsync(cancellationToken);
        try
        {
            // SQLite: a writer takes the write lock at once, a reader its snapshot at its first read.
            var transaction = connection is SqliteConnection sqlite
                ? sqlite.BeginTransaction(deferred: source == readers)
                : await connection.BeginTransactionAsync(isolation, cancellationToken);
            return new Session(connection, transaction, Effective(scope));
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>SQLite has no row-level security and nothing to tell.</summary>
    private TenantScope Effective(TenantScope scope) => Kind == DatabaseKind.PostgreSql ? scope : TenantScope.None;

    private static Database OpenPostgreSql(string connectionString, TimeProvider time, ILoggerFactory log)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString)
        {
            // Worth a factor of two in writes; settings are transaction-local, so there is nothing to reset.
            MaxAutoPrepare = 32,
            NoResetOnClose = true,
            // Details of errors quote row values.
            IncludeErrorDetail = false,
        };
        settings.ApplicationName ??= "ehrgrains";

        // A process that is paused (or cut off) in the middle of a transaction keeps its row locks, and with the lock on a tenant's
        // audit head it would stop that tenant on every silo. The server ends such a transaction, and what it held is rolled back.
        settings.Options = $"-c idle_in_transaction_session_timeout={IdleInTransactionMillisecondsMax} {settings.Options}".TrimEnd();
        if (!settings.ShouldSerialize("Maximum Pool Size"))
        {
            settings.MaxPoolSize = ConnectionsMaxDefault;
        }

        // The driver is given no logger: at Information it would log every statement; what fails comes back as an exception.
        var source = new NpgsqlDataSourceBuilder(settings.ConnectionString).Build();
        return new Database(DatabaseKind.PostgreSql, source, source, source, time, log);
    }

    private static Database OpenSqlite(string connectionString, TimeProvider time, ILoggerFactory log)
    {
        // The timeout in seconds is how long a command waits for a lock that another process holds.
        var settings = new SqliteConnectionStringBuilder(connectionString) { Pooling = false, DefaultTimeout = 2 };
        var writing = new SemaphoreSlim(1);
        return new Database(
            DatabaseKind.Sqlite,
            new SqliteDataSource(settings.ConnectionString, writing, SqliteUse.Write),
            new SqliteDataSource(settings.ConnectionString, new SemaphoreSlim(SqliteReadersMax), SqliteUse.Read),
            new SqliteDataSource(settings.ConnectionString, writing, SqliteUse.WriteRelaxed),
            time,
            log);
    }
}

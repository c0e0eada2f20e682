using System.Data.Common;
using EhrGrains.Contracts;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Storage.Databases;

/// <summary>
/// The check at start-up. With one of these PostgreSQL settings off, a commit is acknowledged before it is on disk, and an audit
/// row that was promised can vanish in a power cut.
/// </summary>
internal static partial class DurabilityCheck
{
    private static readonly string[] MustNotBeOff = ["fsync", "full_page_writes", "synchronous_commit"];

    internal static async Task RunAsync(Database database, CancellationToken cancellationToken)
    {
        var problems = new List<Problem>();
        await using (var connection = await database.DataSource.OpenConnectionAsync(cancellationToken))
        {
            if (database.Kind == DatabaseKind.PostgreSql)
            {
                await CheckPostgreSqlAsync(connection, problems, database.Log.CreateLogger(typeof(DurabilityCheck)), cancellationToken);
            }
            else
            {
                await CheckSqliteAsync(connection, problems, cancellationToken);
            }
        }

        var pending = await database.PendingMigrationsAsync(cancellationToken);
        if (pending.Count > 0)
        {
            problems.Add(new Problem(
                "EHR-STO-004",
                "database",
                $"The schema is behind this program by {pending.Count}: {string.Join(", ", pending)}. Run 'ehrgrains db migrate'."));
        }

        if (problems.Count > 0)
        {
            throw new ProblemException(ProblemKind.CheckFailed, problems);
        }
    }

    private static async Task CheckPostgreSqlAsync(
        DbConnection connection, List<Problem> problems, ILogger log, CancellationToken cancellationToken)
    {
        foreach (var setting in MustNotBeOff)
        {
            // Of this session: a role, the database or the connection string may have changed the server's value.
            if (await ReadAsync(connection, $"SHOW {setting}", cancellationToken) == "off")
            {
                problems.Add(new Problem(
                    "EHR-STO-003",
                    $"postgresql.{setting}",
                    $"'{setting}' is off, so acknowledged commits can be lost. Set {setting} = on for the server, the role, the database " +
                    "and the connection string."));
            }
        }

        const string BypassesRowSecurity = "SELECT (rolsuper OR rolbypassrls)::text FROM pg_roles WHERE rolname = current_user";
        if (await ReadAsync(connection, BypassesRowSecurity, cancellationToken) == "true")
        {
            LogBypassesRowSecurity(log);
        }
    }

    private static async Task CheckSqliteAsync(DbConnection connection, List<Problem> problems, CancellationToken cancellationToken)
    {
        // SQLite answers with the mode that it could take, not with an error: a network file system has no WAL.
        if (await ReadAsync(connection, "PRAGMA journal_mode", cancellationToken) != "wal")
        {
            problems.Add(new Problem(
                "EHR-STO-005", "database.connectionString", "SQLite cannot use its write-ahead log here. Put the file on a local disk."));
        }
    }

    private static async Task<string?> ReadAsync(DbConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (string?)await command.ExecuteScalarAsync(cancellationToken);
    }

    [LoggerMessage(6001, LogLevel.Warning,
        "The database role bypasses row-level security. Connect as a role that is no superuser and owns no tables.")]
    private static partial void LogBypassesRowSecurity(ILogger logger);
}

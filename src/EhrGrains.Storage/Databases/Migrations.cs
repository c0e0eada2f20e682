using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Storage.Databases;

/// <summary>
/// Forward-only migrations: numbered SQL scripts embedded per dialect, each applied once in a transaction of its own and
/// recorded with its SHA-256. <c>grants.sql</c> is no migration: it is applied at the end of every run.
/// </summary>
internal static partial class Migrations
{
    private const string Grants = "grants";

    /// <summary>Any constant: the key of the advisory lock that migrating silos take turns by.</summary>
    private const long LockKey = 0x4548_5247_5241_494E;

    internal static async Task<IReadOnlyList<string>> PendingAsync(Database database, CancellationToken cancellationToken)
    {
        await using var connection = await database.DataSource.OpenConnectionAsync(cancellationToken);
        var applied = await ReadAppliedAsync(database.Kind, connection, cancellationToken);
        var scripts = Load(database.Kind);
        RefuseEdited(scripts, applied);
        return [.. scripts.Where(s => !applied.ContainsKey(s.Name)).Select(s => s.Name)];
    }

    internal static async Task<IReadOnlyList<string>> ApplyAsync(Database database, CancellationToken cancellationToken)
    {
        var log = database.Log.CreateLogger(typeof(Migrations));
        var names = new List<string>();
        await using var connection = await database.DataSource.OpenConnectionAsync(cancellationToken);
        foreach (var script in Load(database.Kind))
        {
            await using var transaction = await BeginTurnAsync(database.Kind, connection, cancellationToken);

            // Read under the lock: another silo may have applied it while this one waited.
            var applied = await ReadAppliedAsync(database.Kind, connection, cancellationToken);
            RefuseEdited([script], applied);
            if (applied.ContainsKey(script.Name))
            {
                continue;
            }

            await ExecuteAsync(connection, transaction, new Statement(script.Sql), cancellationToken);
            var record = new Statement("INSERT INTO schema_migration (name, sha256, applied_at_us) VALUES ($1, $2, $3)")
                .With(script.Name).With(script.Hash).With(database.Time.GetUtcNow().ToMicroseconds());
            await ExecuteAsync(connection, transaction, record, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            names.Add(script.Name);
            LogApplied(log, script.Name);
        }

        if (database.Kind == DatabaseKind.PostgreSql)
        {
            await using var transaction = await BeginTurnAsync(database.Kind, connection, cancellationToken);
            await ExecuteAsync(connection, transaction, new Statement(Read(database.Kind, Grants)), cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }

        return names;
    }

    /// <summary>Begins a transaction that no other migrating silo has one beside. SQLite lets one write at a time anyway.</summary>
    private static async Task<DbTransaction> BeginTurnAsync(
        DatabaseKind kind, DbConnection connection, CancellationToken cancellationToken)
    {
        var transaction = await connection.BeginTransactionAsync(cancellationToken);
        if (kind == DatabaseKind.PostgreSql)
        {
            var turn = new Statement("SELECT pg_advisory_xact_lock($1)").With(LockKey);
            await ExecuteAsync(connection, transaction, turn, cancellationToken);
        }

        return transaction;
    }

    private static void RefuseEdited(IReadOnlyList<Script> scripts, Dictionary<string, string> applied)
    {
        var edited = scripts.Where(s => applied.TryGetValue(s.Name, out var hash) && hash != s.Hash).ToArray();
        if (edited.Length > 0)
        {
            throw new ProblemException(ProblemKind.Conflict, [.. edited.Select(s => new Problem(
                "EHR-STO-002",
                $"database.migration.{s.Name}",
                "This script was changed after it had been applied. Use the program that applied it; a change needs a new script."))]);
        }
    }

    private static async Task<Dictionary<string, string>> ReadAppliedAsync(
        DatabaseKind kind, DbConnection connection, CancellationToken cancellationToken)
    {
        var exists = kind == DatabaseKind.PostgreSql
            ? "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('schema_migration')"
            : "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migration'";
        await using var command = connection.CreateCommand();
        command.CommandText = exists;
        var applied = new Dictionary<string, string>();
        if ((long)(await command.ExecuteScalarAsync(cancellationToken))! == 0)
        {
            return applied;
        }

        command.CommandText = "SELECT name, sha256 FROM schema_migration";
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            applied.Add(reader.GetString(0), reader.GetString(1));
        }

        return applied;
    }

    private static async Task ExecuteAsync(
        DbConnection connection, DbTransaction transaction, Statement statement, CancellationToken cancellationToken)
    {
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = statement.Sql;
        statement.Bind(command.Parameters, command.CreateParameter, named: connection is not Npgsql.NpgsqlConnection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static Script[] Load(DatabaseKind kind)
    {
        var prefix = Prefix(kind);
        return
        [
            .. typeof(Migrations).Assembly.GetManifestResourceNames()
                .Where(n => n.StartsWith(prefix, StringComparison.Ordinal))
                .Select(n => n[prefix.Length..^".sql".Length])
                .Where(n => n != Grants)
                .Order(StringComparer.Ordinal)
                .Select(n => Script.Of(n, Read(kind, n))),
        ];
    }

    private static string Read(DatabaseKind kind, string name)
    {
        using var stream = typeof(Migrations).Assembly.GetManifestResourceStream($"{Prefix(kind)}{name}.sql")!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    private static string Prefix(DatabaseKind kind) => $"EhrGrains.Storage.Sql.{kind}.";

    [LoggerMessage(6000, LogLevel.Information, "Applied migration {Name}.")]
    private static partial void LogApplied(ILogger logger, string name);

    private sealed record Script(string Name, string Sql, string Hash)
    {
        internal static Script Of(string name, string sql) =>
            new(name, sql, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(sql))));
    }
}

using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace EhrGrains.Storage.Databases;

/// <summary>
/// One connection in use, with a transaction or without. PostgreSQL gets statements as one batch, which is one round trip (and,
/// without a transaction, one implicit transaction); SQLite runs them one by one, compiled once for each connection.
/// </summary>
internal sealed class Session : IAsyncDisposable
{
    private readonly DbConnection connection;
    private readonly DbTransaction? transaction;
    private TenantScope scope;

    internal Session(DbConnection connection, DbTransaction? transaction, TenantScope scope)
    {
        this.connection = connection;
        this.transaction = transaction;
        this.scope = scope;
    }

    /// <summary>Reads the rows of all statements, in order.</summary>
    internal async Task<List<T>> ReadAsync<T>(
        IReadOnlyList<Statement> statements, Func<DbDataReader, T> map, CancellationToken cancellationToken)
    {
        var rows = new List<T>();
        if (connection.CanCreateBatch)
        {
            await using var batch = CreateBatch(statements, out var first);
            await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
            for (var i = 0; i < first; i++)
            {
                await reader.NextResultAsync(cancellationToken);
            }

            do
            {
                await ReadRowsAsync(reader, map, rows, cancellationToken);
            }
            while (await reader.NextResultAsync(cancellationToken));
        }
        else
        {
            foreach (var statement in statements)
            {
                await using var reader = await Compiled(statement).ExecuteReaderAsync(cancellationToken);
                await ReadRowsAsync(reader, map, rows, cancellationToken);
            }
        }

        return rows;
    }

    /// <summary>Runs the statements in order; returns how many rows they changed together.</summary>
    internal async Task<int> ExecuteAsync(IReadOnlyList<Statement> statements, CancellationToken cancellationToken)
    {
        if (connection.CanCreateBatch)
        {
            await using var batch = CreateBatch(statements, out _);
            return await batch.ExecuteNonQueryAsync(cancellationToken);
        }

        var changed = 0;
        foreach (var statement in statements)
        {
            changed += await Compiled(statement).ExecuteNonQueryAsync(cancellationToken);
        }

        return changed;
    }

    /// <summary>Runs the last statements and commits: with PostgreSQL both in one round trip. Returns how many rows they changed.</summary>
    internal async Task<int> CommitAsync(IReadOnlyList<Statement> last, CancellationToken cancellationToken)
    {
        if (connection.CanCreateBatch)
        {
            // The driver sees that the server has ended the transaction, and has nothing left to roll back.
            return await ExecuteAsync([.. last, new Statement("COMMIT")], cancellationToken);
        }

        var changed = await ExecuteAsync(last, cancellationToken);
        await CommitAsync(cancellationToken);
        return changed;
    }

    internal Task CommitAsync(CancellationToken cancellationToken) =>
        transaction?.CommitAsync(cancellationToken) ?? Task.CompletedTask;

    /// <summary>Rolls back what was not committed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (transaction is not null)
        {
            await transaction.DisposeAsync();
        }

        await connection.DisposeAsync();
    }

    private static async Task ReadRowsAsync<T>(
        DbDataReader reader, Func<DbDataReader, T> map, List<T> rows, CancellationToken cancellationToken)
    {
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(map(reader));
        }
    }

    private DbBatch CreateBatch(IReadOnlyList<Statement> statements, out int first)
    {
        var batch = connection.CreateBatch();
        batch.Transaction = transaction;
        first = 0;
        if (scope.Setting is not null)
        {
            Add(batch, new Statement("SELECT set_config($1, $2, true)").With(scope.Setting).With(scope.Value));
            first = 1;
            if (transaction is not null)
            {
                scope = TenantScope.None;
            }
        }

        foreach (var statement in statements)
        {
            Add(batch, statement);
        }

        return batch;
    }

    private static void Add(DbBatch batch, Statement statement)
    {
        var command = batch.CreateBatchCommand();
        command.CommandText = statement.Sql;
        statement.Bind(command.Parameters, command.CreateParameter, named: false);
        batch.BatchCommands.Add(command);
    }

    private SqliteCommand Compiled(Statement statement)
    {
        var command = ((SqliteDataSource.KeptConnection)connection).Compiled(statement.Sql);
        command.Transaction = (SqliteTransaction?)transaction;
        statement.Bind(command.Parameters, command.CreateParameter, named: true);
        return command;
    }
}

using System.Data.Common;
using System.Runtime.CompilerServices;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace EhrGrains.Storage.Databases;

/// <summary>
/// Opens connections of one SQLite file behind an asynchronous gate. SQLite allows one writer: without the gate, writers would
/// wait for each other by sleeping on pool threads. The driver is synchronous under its asynchronous names, so opening yields
/// first and the work that follows runs on the thread pool, not on a grain's turn.
/// </summary>
internal sealed class SqliteDataSource(string connectionString, int connectionsMax, bool readOnly) : DbDataSource
{
    /// <summary>How long to wait for the gate before giving up with an error rather than queueing without end.</summary>
    private static readonly TimeSpan GateTimeout = TimeSpan.FromSeconds(30);

    // A pooled handle keeps its PRAGMAs; setting them again costs as much as a small read.
    private readonly ConditionalWeakTable<sqlite3, object> prepared = [];
    private readonly SemaphoreSlim gate = new(connectionsMax);

    public override string ConnectionString => connectionString;

    protected override async ValueTask<DbConnection> OpenDbConnectionAsync(CancellationToken cancellationToken = default)
    {
        if (!await gate.WaitAsync(GateTimeout, cancellationToken))
        {
            throw new TimeoutException($"The SQLite database was busy for {GateTimeout.TotalSeconds} s. Is its disk slow or full?");
        }

        var connection = new GatedConnection(connectionString, gate);
        try
        {
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            Open(connection);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    protected override DbConnection OpenDbConnection() => throw new NotSupportedException("Open the connection asynchronously.");

    // Orleans makes one to see of which driver it is, and does not open it.
    protected override DbConnection CreateDbConnection() => new SqliteConnection(connectionString);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            using var connection = new SqliteConnection(connectionString);
            SqliteConnection.ClearPool(connection);
            gate.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Open(GatedConnection connection)
    {
        connection.Open();
        if (prepared.TryGetValue(connection.Handle!, out _))
        {
            return;
        }

        using var command = connection.CreateCommand();
        command.CommandText = readOnly
            ? "PRAGMA busy_timeout=2000; PRAGMA query_only=1;"
            : "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=2000; PRAGMA foreign_keys=ON;";
        command.ExecuteNonQuery();
        prepared.Add(connection.Handle!, prepared);
    }

    private sealed class GatedConnection(string connectionString, SemaphoreSlim gate) : SqliteConnection(connectionString)
    {
        private SemaphoreSlim? held = gate;

        protected override void Dispose(bool disposing)
        {
            base.Dispose(disposing);
            Interlocked.Exchange(ref held, null)?.Release();
        }
    }
}

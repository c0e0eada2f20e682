using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace EhrGrains.Storage.Databases;

/// <summary>What connections of a SQLite file are for.</summary>
internal enum SqliteUse
{
    /// <summary>Only reading.</summary>
    Read = 0,

    /// <summary>Writing; each commit is flushed.</summary>
    Write = 1,

    /// <summary>Writing without a flush: in WAL mode the file stays whole, but what was last committed may be lost with the machine.</summary>
    WriteRelaxed = 2,
}

/// <summary>
/// Deals out connections of one SQLite file behind an asynchronous gate. SQLite allows one writer: without the gate, writers would
/// wait for each other by sleeping on pool threads. The driver is synchronous under its asynchronous names, so opening yields
/// first and the work that follows runs on the thread pool, not on a grain's turn. Connections stay open, with their statements
/// compiled: the driver's own pool keeps only the handle, and parsing SQL again costs more than most statements.
/// </summary>
internal sealed class SqliteDataSource(string connectionString, SemaphoreSlim gate, SqliteUse use) : DbDataSource
{
    /// <summary>How long to wait for the gate before giving up with an error rather than queueing without end.</summary>
    private static readonly TimeSpan GateTimeout = TimeSpan.FromSeconds(30);

    private readonly ConcurrentBag<KeptConnection> idle = [];
    private volatile bool disposed;

    public override string ConnectionString => connectionString;

    protected override async ValueTask<DbConnection> OpenDbConnectionAsync(CancellationToken cancellationToken = default)
    {
        if (!await gate.WaitAsync(GateTimeout, cancellationToken))
        {
            throw new TimeoutException($"The SQLite database was busy for {GateTimeout.TotalSeconds} s. Is its disk slow or full?");
        }

        try
        {
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            return idle.TryTake(out var kept) ? kept.Deal() : Open();
        }
        catch
        {
            gate.Release();
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
            disposed = true;
            CloseIdle();
        }

        base.Dispose(disposing);
    }

    private KeptConnection Open()
    {
        var connection = new KeptConnection(connectionString, this);
        try
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = use switch
            {
                SqliteUse.Read => "PRAGMA busy_timeout=2000; PRAGMA query_only=1;",

                // 32 MB of pages, in memory and in the log before it is copied back: the journal finds repetitions by an index that is
                // written all over.
                SqliteUse.Write => "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=2000; PRAGMA foreign_keys=ON; " +
                    "PRAGMA cache_size=-32768; PRAGMA wal_autocheckpoint=8000;",
                _ => "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=2000; PRAGMA foreign_keys=ON;",
            };
            command.ExecuteNonQuery();
            return connection.Deal();
        }
        catch
        {
            connection.Shut();
            throw;
        }
    }

    private void TakeBack(KeptConnection connection)
    {
        if (connection.IsClean)
        {
            idle.Add(connection);
        }
        else
        {
            connection.Shut();
        }

        if (disposed)
        {
            CloseIdle();
        }

        gate.Release();
    }

    private void CloseIdle()
    {
        while (idle.TryTake(out var kept))
        {
            kept.Shut();
        }
    }

    /// <summary>A connection that goes back to its source when it is disposed of.</summary>
    internal sealed class KeptConnection(string connectionString, SqliteDataSource source) : SqliteConnection(connectionString)
    {
        /// <summary>All the statements of this product are fewer; texts made up at run time must not fill the memory.</summary>
        private const int CommandsMax = 128;

        private readonly Dictionary<string, SqliteCommand> commands = new(StringComparer.Ordinal);
        private bool isDealt;

        /// <summary>Open, and no transaction left open on it.</summary>
        internal bool IsClean => State == ConnectionState.Open && raw.sqlite3_get_autocommit(Handle!) != 0;

        internal KeptConnection Deal()
        {
            isDealt = true;
            return this;
        }

        /// <summary>A command with this text, compiled before where it has been used before. Not to be disposed of.</summary>
        internal SqliteCommand Compiled(string sql)
        {
            if (!commands.TryGetValue(sql, out var command))
            {
                if (commands.Count == CommandsMax)
                {
                    foreach (var old in commands.Values)
                    {
                        old.Dispose();
                    }

                    commands.Clear();
                }

                command = CreateCommand();
                command.CommandText = sql;
                commands.Add(sql, command);
            }

            return command;
        }

        /// <summary>Gives it back; disposing of it does the same.</summary>
        public override void Close()
        {
            if (isDealt)
            {
                isDealt = false;
                source.TakeBack(this);
            }
        }

        /// <summary>Really closes it.</summary>
        internal void Shut() => base.Close();
    }
}

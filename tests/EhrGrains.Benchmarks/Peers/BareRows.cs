using System.Diagnostics;
using EhrGrains.Storage.Databases;
using EhrGrains.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EhrGrains.Benchmarks.Peers;

/// <summary>
/// The raw limit of storing pages: the rows and changes of a page of 50 resources inserted by the role of a silo and committed to disk,
/// over and over, made by the database itself, with nothing else done.
/// </summary>
internal static class BareRows
{
    private const string Insert =
        """
        SELECT set_config('app.tenant', 'bench', true);
        INSERT INTO record_resources (tenant_id, patient, type, id, version, at_us, kind, source, length, content)
          SELECT 'bench', 'p' || {0}, 'Observation', 'lab-' || {0} || '-' || n, 1, 0, 1, 'fhir', 1000, decode(repeat('ab', 1050), 'hex') FROM generate_series(1, 50) n;
        INSERT INTO changes (tenant_id, seq, patient, type, id, version, kind, source, at_us)
          SELECT 'bench', {0} * 50 + n, 'p' || {0}, 'Observation', 'lab-' || {0} || '-' || n, 1, 1, 'fhir', 0 FROM generate_series(1, 50) n;
        """;

    private static readonly TimeSpan Length = TimeSpan.FromSeconds(5);

    /// <summary>Pages a second, with <paramref name="writers"/> who write at one time.</summary>
    internal static async Task<double> PagesPerSecondAsync(int writers, CancellationToken cancellationToken)
    {
        await using var database = await PostgresServer.CreateDatabaseAsync(cancellationToken);
        await using (var owner = Database.Open(DatabaseKind.PostgreSql, database.OwnerConnectionString, TimeProvider.System, NullLoggerFactory.Instance))
        {
            await owner.MigrateAsync(cancellationToken);
        }

        await using var app = NpgsqlDataSource.Create(database.AppConnectionString);
        var (clock, page) = (Stopwatch.StartNew(), 0L);
        await Task.WhenAll(Enumerable.Range(0, writers).Select(async _ =>
        {
            await using var connection = await app.OpenConnectionAsync(cancellationToken);
            while (clock.Elapsed < Length)
            {
                var sql = Insert.Replace("{0}", Interlocked.Increment(ref page).ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);
                await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
                await using (var command = new NpgsqlCommand(sql, connection, transaction))
                {
                    await command.ExecuteNonQueryAsync(cancellationToken);
                }

                await transaction.CommitAsync(cancellationToken);
            }
        }));
        return page / clock.Elapsed.TotalSeconds;
    }
}

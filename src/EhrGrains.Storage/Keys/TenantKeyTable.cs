using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Storage.Databases;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Storage.Keys;

/// <summary>
/// The tenant keys, wrapped by a key derived from the root key. Versions count from 1 and are never reused; whoever inserts the
/// next version first has made it, which is how racing silos agree. A version without a key ends the scope: every later version
/// would have to come after it, and is refused.
/// </summary>
internal sealed partial class TenantKeyTable(Database database, RootKey root, ILogger log)
{
    /// <summary>
    /// A random 96-bit nonce is safe for 2^32 seals under one key (NIST SP 800-38D §8.3); at 1,600 seals a second that is 30 days.
    /// </summary>
    private static readonly TimeSpan RotateAfter = TimeSpan.FromDays(30);

    private readonly byte[] wrappingKey = root.Derive("ehrgrains/tenant-key/1");

    /// <summary>
    /// Unwraps every version of the scope's key, for reading or, with <paramref name="toSeal"/>, for sealing too: then a first or
    /// a fresh key is made where one is due. Null when there is none and none was to be made.
    /// </summary>
    /// <exception cref="TenantKeyDestroyedException">The scope's keys were destroyed.</exception>
    internal async Task<Dictionary<int, byte[]>?> LoadAsync(string scope, bool toSeal, CancellationToken cancellationToken)
    {
        while (true)
        {
            var rows = await ReadAsync(scope, cancellationToken);
            if (rows.Exists(r => r.Wrapped is null))
            {
                throw new TenantKeyDestroyedException(scope);
            }

            var newest = rows.MaxBy(r => r.Version);
            var due = newest is null || database.Time.GetUtcNow() - newest.CreatedAt >= RotateAfter;
            if (!toSeal || !due)
            {
                return newest is null ? null : rows.ToDictionary(r => r.Version, r => Unwrap(scope, r));
            }

            var key = RandomNumberGenerator.GetBytes(SealedRecord.KeyLength);
            await TryInsertAsync(scope, (newest?.Version ?? 0) + 1, key, cancellationToken);
        }
    }

    internal async Task DestroyAsync(string scope, CancellationToken cancellationToken)
    {
        while (true)
        {
            var rows = await ReadAsync(scope, cancellationToken);
            var erase = new Statement("UPDATE tenant_key SET wrapped = NULL WHERE tenant_id = $1 AND wrapped IS NOT NULL").With(scope);
            await database.ExecuteAsync(TenantScope.Of(scope), [erase], cancellationToken);

            // A silo that is about to add a version wants this very one. If it gets it, its key is erased in the next round.
            if (rows.Exists(r => r.Wrapped is null)
                || await TryInsertAsync(scope, rows.Select(r => r.Version).DefaultIfEmpty().Max() + 1, null, cancellationToken))
            {
                LogDestroyed(log, scope);
                return;
            }
        }
    }

    private async Task<bool> TryInsertAsync(string scope, int version, byte[]? key, CancellationToken cancellationToken)
    {
        var wrapped = key is null
            ? null
            : SealedRecord.Seal(wrappingKey, version, scope, default, key, Encoding.UTF8.GetBytes("tenant_key"));
        var insert = new Statement(
            """
            INSERT INTO tenant_key (tenant_id, version, wrapped, created_at_us) VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant_id, version) DO NOTHING
            """)
            .With(scope).With(version).With(wrapped).With(database.Time.GetUtcNow().ToMicroseconds());
        var won = await database.ExecuteAsync(TenantScope.Of(scope), [insert], cancellationToken) == 1;
        if (won && key is not null)
        {
            LogCreated(log, version, scope);
        }

        return won;
    }

    private Task<List<Row>> ReadAsync(string scope, CancellationToken cancellationToken) =>
        database.ReadAsync(
            TenantScope.Of(scope),
            new Statement("SELECT version, wrapped, created_at_us FROM tenant_key WHERE tenant_id = $1").With(scope),
            r => new Row(
                r.GetInt32(0),
                r.IsDBNull(1) ? null : (byte[])r.GetValue(1),
                Microseconds.FromMicroseconds(r.GetInt64(2))),
            cancellationToken);

    private byte[] Unwrap(string scope, Row row)
    {
        try
        {
            return SealedRecord.Open(wrappingKey, row.Wrapped, scope, default, Encoding.UTF8.GetBytes("tenant_key"));
        }
        catch (CryptographicException)
        {
            throw new ProblemException(
                ProblemKind.CheckFailed,
                "EHR-STO-011",
                "rootKeyFile",
                $"Key {row.Version} of '{scope}' does not open with this root key. Use the root key file that the database was used with.");
        }
    }

    [LoggerMessage(6010, LogLevel.Information, "Made key {Version} of {Scope}.")]
    private static partial void LogCreated(ILogger logger, int version, string scope);

    [LoggerMessage(6011, LogLevel.Warning, "Destroyed the keys of {Scope}: its data can no longer be read.")]
    private static partial void LogDestroyed(ILogger logger, string scope);

    private sealed record Row(int Version, byte[]? Wrapped, DateTimeOffset CreatedAt);
}

using System.Security.Cryptography;
using System.Text;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.OneTime;

/// <summary>
/// Ids that may be used once, over all silos: the <c>jti</c> of client assertions (RFC 7523 §3). What is stored is a digest, so
/// that no client decides how much; and only until it expires.
/// </summary>
public sealed class OneTimeTable(Database database, TimeProvider time)
{
    /// <summary>The longest that an id is kept. An assertion that is valid for longer is refused before it gets here.</summary>
    public static readonly TimeSpan LifetimeMax = TimeSpan.FromHours(1);

    private static readonly TimeSpan PurgePeriod = TimeSpan.FromMinutes(1);

    private long purgedAt;

    /// <summary>True the first time only, for each id of an issuer; false, too, when it has expired.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="expiresAt"/> is more than <see cref="LifetimeMax"/> away.</exception>
    public async Task<bool> TryUseAsync(string issuer, string id, DateTimeOffset expiresAt, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        ArgumentOutOfRangeException.ThrowIfGreaterThan(expiresAt, now + LifetimeMax);
        if (expiresAt <= now)
        {
            return false;
        }

        await PurgeAsync(now, cancellationToken);
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes($"{issuer.Length}:{issuer}{id}"));
        var insert = new Statement("INSERT INTO one_time (digest, expires_at_us) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING")
            .With(digest).With(expiresAt.ToMicroseconds());
        return await database.ExecuteAsync(TenantScope.None, [insert], cancellationToken) == 1;
    }

    private async Task PurgeAsync(DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (!Purging.IsDue(ref purgedAt, PurgePeriod, time))
        {
            return;
        }

        var delete = new Statement("DELETE FROM one_time WHERE expires_at_us <= $1").With(now.ToMicroseconds());
        await database.ExecuteAsync(TenantScope.None, [delete], cancellationToken);
    }
}

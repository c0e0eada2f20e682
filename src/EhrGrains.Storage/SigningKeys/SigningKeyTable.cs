using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.SigningKeys;

/// <summary>A key that our own token endpoint signs with. Prints without the key.</summary>
/// <param name="Slot">Its number; the newest has the highest.</param>
/// <param name="KeyId">Its id: a digest of the public key.</param>
/// <param name="Pkcs8">The private key: ECDSA, P-256.</param>
/// <param name="CreatedAt">When it was made and published.</param>
public sealed record SigningKey(int Slot, string KeyId, byte[] Pkcs8, DateTimeOffset CreatedAt)
{
    internal const int FirstSlot = 1;

    /// <summary>When it begins to sign: a day after it was published, so that every cache of public keys has it; the first at once.</summary>
    public DateTimeOffset SignsFrom => Slot == FirstSlot ? CreatedAt : CreatedAt + SigningKeyTable.PublishedBeforeUse;

    /// <inheritdoc/>
    public override string ToString() => $"SigningKey {KeyId}";
}

/// <summary>
/// The keys that our own token endpoint signs with, the same on every silo and sealed in the database. Each has a numbered row,
/// so that of silos that race to make one, or wake up late to do it, one wins and all get the same.
/// </summary>
public sealed class SigningKeyTable(Database database, KeyRing keys)
{
    /// <summary>How long a key is published before it signs.</summary>
    internal static readonly TimeSpan PublishedBeforeUse = TimeSpan.FromHours(24);

    /// <summary>
    /// How long a key stays published after its successor began to sign: tokens live minutes, but a verifier may keep what it
    /// fetched, and a silo whose clock is behind goes on signing.
    /// </summary>
    private static readonly TimeSpan PublishedAfterUse = TimeSpan.FromHours(24);

    /// <summary>More than can be published at a time: a rotation takes at least two days.</summary>
    private const int RowsMax = 8;

    /// <summary>The published keys, newest first; makes the first one.</summary>
    public async Task<IReadOnlyList<SigningKey>> GetAsync(CancellationToken cancellationToken)
    {
        var rows = await ReadAsync(cancellationToken);
        return await OpenAsync(rows.Count > 0 ? rows : await MakeAsync(SigningKey.FirstSlot, cancellationToken), cancellationToken);
    }

    /// <summary>The published keys, newest first, after making the next one when the newest is as old as <paramref name="every"/>.</summary>
    public async Task<IReadOnlyList<SigningKey>> RotateAsync(TimeSpan every, CancellationToken cancellationToken)
    {
        var rows = await ReadAsync(cancellationToken);
        var due = rows.Count == 0 || rows[0].CreatedAt + every <= database.Time.GetUtcNow();
        var slot = rows.Count == 0 ? SigningKey.FirstSlot : rows[0].Slot + 1;
        return await OpenAsync(due ? await MakeAsync(slot, cancellationToken) : rows, cancellationToken);
    }

    private async Task<List<SigningKey>> MakeAsync(int slot, CancellationToken cancellationToken)
    {
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var keyId = Base64Url.EncodeToString(SHA256.HashData(ecdsa.ExportSubjectPublicKeyInfo()).AsSpan(0, 16));
        var pkcs8 = ecdsa.ExportPkcs8PrivateKey();
        var record = await keys.SealAsync(KeyRing.ClusterScope, KeyClass.Signing, pkcs8, AssociatedData(keyId), cancellationToken);
        CryptographicOperations.ZeroMemory(pkcs8);
        var insert = new Statement(
            "INSERT INTO signing_key (slot, key_id, created_at_us, pkcs8) VALUES ($1, $2, $3, $4) ON CONFLICT (slot) DO NOTHING")
            .With(slot).With(keyId).With(database.Time.GetUtcNow().ToMicroseconds()).With(record);
        await database.ExecuteAsync(TenantScope.None, [insert], cancellationToken);
        return await ReadAsync(cancellationToken);
    }

    // Newest first, still sealed, without those that are no longer published.
    private async Task<List<SigningKey>> ReadAsync(CancellationToken cancellationToken)
    {
        var rows = await database.ReadAsync(
            TenantScope.None,
            new Statement("SELECT slot, key_id, pkcs8, created_at_us FROM signing_key ORDER BY slot DESC LIMIT $1").With(RowsMax),
            r => new SigningKey(r.GetInt32(0), r.GetString(1), (byte[])r.GetValue(2), Microseconds.FromMicroseconds(r.GetInt64(3))),
            cancellationToken);
        var now = database.Time.GetUtcNow();
        return [.. rows.Where((_, i) => i == 0 || now < rows[i - 1].SignsFrom + PublishedAfterUse)];
    }

    private async Task<IReadOnlyList<SigningKey>> OpenAsync(List<SigningKey> rows, CancellationToken cancellationToken)
    {
        for (var i = 0; i < rows.Count; i++)
        {
            var pkcs8 = await keys.OpenAsync(
                KeyRing.ClusterScope, KeyClass.Signing, rows[i].Pkcs8, AssociatedData(rows[i].KeyId), cancellationToken);
            rows[i] = rows[i] with { Pkcs8 = pkcs8 };
        }

        return rows;
    }

    private static byte[] AssociatedData(string keyId) => Encoding.UTF8.GetBytes($"signing_key\0{keyId}");
}

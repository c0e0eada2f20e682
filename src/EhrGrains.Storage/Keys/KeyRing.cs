using System.Security.Cryptography;
using EhrGrains.Storage.Databases;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Storage.Keys;

/// <summary>
/// Seals and opens bytes with AES-256-GCM under a scope's own keys (I6): root key → tenant key, versioned → data key per class
/// (HKDF). A scope is a tenant id or <see cref="ClusterScope"/>. Unwrapped keys are kept for at most five minutes, which is also
/// how long another silo may still read a tenant whose keys were just destroyed. Thread-safe.
/// </summary>
public sealed class KeyRing : IDisposable
{
    /// <summary>The scope of what belongs to the cluster rather than to a tenant; no tenant id can begin with '~'.</summary>
    public const string ClusterScope = "~cluster";

    /// <summary>Scopes whose keys are held at once; a scope in hand costs about 1 KB.</summary>
    private const int ScopesMax = 4096;

    private static readonly TimeSpan KeepFor = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LoadTimeout = TimeSpan.FromSeconds(10);

    private readonly Lock gate = new();
    private readonly Dictionary<string, ScopeKeys> held = [];
    private readonly Dictionary<(string Scope, bool ToSeal), Task<ScopeKeys?>> loading = [];
    private readonly TenantKeyTable table;
    private readonly RootKey root;
    private readonly TimeProvider time;
    private readonly ITimer sweep;

    /// <summary>Creates a key ring over the tables of <paramref name="database"/>.</summary>
    public KeyRing(Database database, RootKey root, TimeProvider time, ILogger<KeyRing> log)
    {
        table = new TenantKeyTable(database, root, log);
        this.root = root;
        this.time = time;
        sweep = time.CreateTimer(_ => EraseExpired(), null, TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
    }

    /// <summary>
    /// Seals <paramref name="plaintext"/>; makes the scope's first key if it has none. It opens only with the same scope, class and
    /// <paramref name="associatedData"/>, which should name the row and column it is put into.
    /// </summary>
    /// <exception cref="TenantKeyDestroyedException">The scope's keys were destroyed.</exception>
    public ValueTask<byte[]> SealAsync(
        string scope,
        KeyClass keyClass,
        ReadOnlyMemory<byte> plaintext,
        ReadOnlyMemory<byte> associatedData,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return TrySeal(Held(scope), scope, keyClass, plaintext.Span, associatedData.Span) is { } record
            ? ValueTask.FromResult(record)
            : LoadAndSealAsync();

        async ValueTask<byte[]> LoadAndSealAsync()
        {
            while (true)
            {
                var keys = await LoadAsync(scope, toSeal: true).WaitAsync(cancellationToken);
                if (TrySeal(keys, scope, keyClass, plaintext.Span, associatedData.Span) is { } result)
                {
                    return result;
                }
            }
        }
    }

    /// <summary>Seals if the scope's key is in hand, as it is for a while after <see cref="SealAsync"/>; null if it is not.</summary>
    internal byte[]? TrySeal(string scope, KeyClass keyClass, ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> associatedData) =>
        TrySeal(Held(scope), scope, keyClass, plaintext, associatedData);

    /// <summary>Opens what <see cref="SealAsync"/> sealed.</summary>
    /// <exception cref="CryptographicException">It was changed, or belongs to another scope, class or place.</exception>
    /// <exception cref="TenantKeyDestroyedException">The scope's keys were destroyed.</exception>
    public ValueTask<byte[]> OpenAsync(
        string scope,
        KeyClass keyClass,
        ReadOnlyMemory<byte> sealedBytes,
        ReadOnlyMemory<byte> associatedData,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var keyId = SealedRecord.ReadKeyId(sealedBytes.Span);
        return TryOpen(Held(scope), keyId, scope, keyClass, sealedBytes.Span, associatedData.Span) is { } plaintext
            ? ValueTask.FromResult(plaintext)
            : LoadAndOpenAsync();

        async ValueTask<byte[]> LoadAndOpenAsync()
        {
            while (true)
            {
                // Also when keys are in hand: another silo may have made the version that this record names.
                var keys = await LoadAsync(scope, toSeal: false).WaitAsync(cancellationToken);
                if (TryOpen(keys, keyId, scope, keyClass, sealedBytes.Span, associatedData.Span) is { } result)
                {
                    return result;
                }

                if (keys is null || keyId < 1 || keyId > keys.Newest)
                {
                    throw new CryptographicException($"This record names key {keyId} of '{scope}', which does not exist.");
                }
            }
        }
    }

    /// <summary>
    /// A key of 32 bytes that stays the same as long as the scope has keys: it comes from the first version of the scope's key, for
    /// what is derived with it (ids, blind indexes) is looked up later. The caller erases it.
    /// </summary>
    /// <exception cref="TenantKeyDestroyedException">The scope's keys were destroyed.</exception>
    public async ValueTask<byte[]> DeriveAsync(string scope, KeyClass keyClass, CancellationToken cancellationToken)
    {
        var key = new byte[SealedRecord.KeyLength];
        var keys = Held(scope);
        while (keys?.TryCopy(1, DataKey(keyClass), key) != true)
        {
            keys = await LoadAsync(scope, toSeal: true).WaitAsync(cancellationToken);
        }

        return key;
    }

    /// <summary>Destroys the scope's keys for good: everything sealed under them, backups included, becomes unreadable.</summary>
    public async Task DestroyAsync(string scope, CancellationToken cancellationToken)
    {
        await table.DestroyAsync(scope, cancellationToken);
        lock (gate)
        {
            if (held.Remove(scope, out var keys))
            {
                keys.Erase();
            }
        }
    }

    /// <summary>A key of 32 bytes that is the same on every silo and in no database: for what must outlive tenants' keys.</summary>
    public byte[] DeriveClusterKey(string purpose) => root.Derive($"ehrgrains/cluster/{purpose}");

    /// <summary>Erases the keys in hand.</summary>
    public void Dispose()
    {
        sweep.Dispose();
        lock (gate)
        {
            foreach (var keys in held.Values)
            {
                keys.Erase();
            }

            held.Clear();
        }
    }

    private static byte[]? TrySeal(
        ScopeKeys? keys, string scope, KeyClass keyClass, ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> associatedData)
    {
        if (keys?.TryBorrow(keys.Newest, DataKey(keyClass)) is not { } cipher)
        {
            return null;
        }

        try
        {
            return SealedRecord.Seal(cipher, keys.Newest, scope, keyClass, plaintext, associatedData);
        }
        finally
        {
            keys.Return(keys.Newest, DataKey(keyClass), cipher);
        }
    }

    private static byte[]? TryOpen(
        ScopeKeys? keys, int keyId, string scope, KeyClass keyClass, ReadOnlySpan<byte> record, ReadOnlySpan<byte> associatedData)
    {
        if (keys?.TryBorrow(keyId, DataKey(keyClass)) is not { } cipher)
        {
            return null;
        }

        try
        {
            return SealedRecord.Open(cipher, record, scope, keyClass, associatedData);
        }
        finally
        {
            keys.Return(keyId, DataKey(keyClass), cipher);
        }
    }

    private static string DataKey(KeyClass keyClass) => keyClass switch
    {
        KeyClass.GrainState => "ehrgrains/data/1",
        KeyClass.Credential => "ehrgrains/data/2",
        KeyClass.Cursor => "ehrgrains/data/3",
        KeyClass.Id => "ehrgrains/data/4",
        KeyClass.Signing => "ehrgrains/data/5",
        KeyClass.Journal => "ehrgrains/data/6",
        KeyClass.Identity => "ehrgrains/data/7",
        KeyClass.Record => "ehrgrains/data/8",
        KeyClass.Sync => "ehrgrains/data/9",
        KeyClass.Write => "ehrgrains/data/10",
        _ => throw new ArgumentOutOfRangeException(nameof(keyClass)),
    };

    private ScopeKeys? Held(string scope)
    {
        lock (gate)
        {
            return held.TryGetValue(scope, out var keys) && time.GetTimestamp() < keys.ExpiresAt ? keys : null;
        }
    }

    /// <summary>One load at a time for any number of callers; none of them can cancel it for the others.</summary>
    private Task<ScopeKeys?> LoadAsync(string scope, bool toSeal)
    {
        lock (gate)
        {
            if (!loading.TryGetValue((scope, toSeal), out var task))
            {
                // It cannot end before it is added: it yields first, and needs the gate to end.
                task = LoadOnceAsync(scope, toSeal);
                loading.Add((scope, toSeal), task);
            }

            return task;
        }
    }

    private async Task<ScopeKeys?> LoadOnceAsync(string scope, bool toSeal)
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        using var timeout = new CancellationTokenSource(LoadTimeout, time);
        try
        {
            var tenantKeys = await table.LoadAsync(scope, toSeal, timeout.Token);
            return tenantKeys is null ? null : Hold(scope, tenantKeys);
        }
        finally
        {
            lock (gate)
            {
                loading.Remove((scope, toSeal));
            }
        }
    }

    private ScopeKeys Hold(string scope, Dictionary<int, byte[]> tenantKeys)
    {
        var keys = new ScopeKeys(tenantKeys, time.GetTimestamp() + (long)(KeepFor.TotalSeconds * time.TimestampFrequency));
        lock (gate)
        {
            if (held.Remove(scope, out var previous))
            {
                previous.Erase();
            }
            else if (held.Count >= ScopesMax && held.MinBy(e => e.Value.ExpiresAt) is { Key: not null } oldest)
            {
                held.Remove(oldest.Key);
                oldest.Value.Erase();
            }

            held.Add(scope, keys);
        }

        return keys;
    }

    private void EraseExpired()
    {
        lock (gate)
        {
            var now = time.GetTimestamp();
            foreach (var (scope, keys) in held.Where(e => e.Value.ExpiresAt <= now).ToArray())
            {
                held.Remove(scope);
                keys.Erase();
            }
        }
    }
}

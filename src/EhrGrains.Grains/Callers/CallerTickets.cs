using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;

namespace EhrGrains.Grains.Callers;

/// <summary>
/// Mints and reads tickets: the cluster's own signed statement of who a call is made for. A ticket travels in the request
/// context from silo to silo, never to a client. It is a versioned compact binary with HMAC-SHA-256 under a key that is derived
/// from the root key for this purpose alone, so that nothing else that we sign is a ticket. Thread-safe.
/// </summary>
public sealed class CallerTickets
{
    /// <summary>What the key is derived for; a new format is a new purpose.</summary>
    public const string KeyPurpose = "caller-ticket/1";

    /// <summary>
    /// How long a ticket holds: longer than the longest grain call (5 minutes), so that a call that was allowed to start is not
    /// refused half-way; short enough that one from a memory dump is worth nothing.
    /// </summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(10);

    private const byte FormatVersion = 1;
    private const int TextLengthMax = 32_768;

    private readonly byte[] key;
    private readonly TimeProvider time;

    // By instance: what the validator remembers of a token is the caller that it found.
    private readonly ConditionalWeakTable<Caller, Minted> minted = new();

    // By instance too: what this process has minted itself, and got back as the same string in a call that did not leave it, is authentic.
    private readonly ConditionalWeakTable<string, Caller> own = new();
    private volatile Minted? system;

    /// <summary>Creates the mint.</summary>
    /// <param name="key">32 bytes, the same on every silo of the cluster.</param>
    /// <param name="time">The clock that lifetimes are measured with.</param>
    public CallerTickets(byte[] key, TimeProvider time)
    {
        this.key = key.Length == 32 ? key : throw new ArgumentException("The key has 32 bytes.", nameof(key));
        this.time = time;
    }

    /// <summary>
    /// A ticket for a caller that has been authenticated just now. The one that the same caller was given before serves while more
    /// than half of its time is left: still longer than the longest call.
    /// </summary>
    public string Mint(Caller caller)
    {
        var now = time.GetUtcNow();
        if (minted.TryGetValue(caller, out var ticket) && ticket.ExpiresAt - now >= Lifetime / 2)
        {
            return ticket.Text;
        }

        ticket = Mint(caller, now);
        minted.AddOrUpdate(caller, ticket);
        return ticket.Text;
    }

    /// <summary>A ticket for the cluster's own work, as long-lived as any.</summary>
    public string MintSystem()
    {
        var now = time.GetUtcNow();
        if (system is not { } ticket || ticket.ExpiresAt - now < Lifetime / 2)
        {
            system = ticket = Mint(Caller.System(now + Lifetime), now);
        }

        return ticket.Text;
    }

    /// <summary>Reads a ticket; false when it is not one of ours or has expired.</summary>
    public bool TryRead(string? ticket, [NotNullWhen(true)] out Caller? caller)
    {
        caller = null;
        if (ticket is null or { Length: > TextLengthMax })
        {
            return false;
        }

        if (own.TryGetValue(ticket, out var known) && known.ExpiresAt > time.GetUtcNow())
        {
            caller = known;
            return true;
        }

        if (!Base64Url.IsValid(ticket))
        {
            return false;
        }

        var bytes = Base64Url.DecodeFromChars(ticket);
        if (bytes.Length <= HMACSHA256.HashSizeInBytes)
        {
            return false;
        }

        var body = bytes.AsSpan(..^HMACSHA256.HashSizeInBytes);
        Span<byte> expected = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, body, expected);
        if (!CryptographicOperations.FixedTimeEquals(expected, bytes.AsSpan(body.Length)))
        {
            return false;
        }

        caller = ReadBody(bytes, body.Length);
        if (caller is not null && caller.ExpiresAt <= time.GetUtcNow())
        {
            caller = null;
        }

        return caller is not null;
    }

    /// <summary>
    /// Makes the grain calls of this async flow calls of <paramref name="caller"/>, until the scope is disposed. For a gateway
    /// in the silo, after it has authenticated the request itself.
    /// </summary>
    public CallerScope Enter(Caller caller) => new(Mint(caller));

    /// <summary>
    /// Makes the grain calls of this async flow the cluster's own work, until the scope is disposed. Nothing is system work by
    /// default: a timer, reminder or cache says so with this.
    /// </summary>
    public CallerScope EnterSystem() => new(MintSystem());

    private Minted Mint(Caller caller, DateTimeOffset now)
    {
        var bearer = caller with { ExpiresAt = now + Lifetime };
        var ticket = new Minted(Write(bearer), bearer.ExpiresAt);
        own.Add(ticket.Text, bearer);
        return ticket;
    }

    private string Write(Caller caller)
    {
        using var stream = new MemoryStream(256);
        using (var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true))
        {
            writer.Write(FormatVersion);
            writer.Write(caller.IsSystem);
            writer.Write((byte)caller.Role);
            writer.Write(caller.ExpiresAt.ToUnixTimeMilliseconds());
            writer.Write(caller.App.ToString());
            writer.Write((ushort)caller.Scopes.Count);
            foreach (var scope in caller.Scopes)
            {
                writer.Write(scope);
            }
        }

        stream.Write(HMACSHA256.HashData(key, stream.GetBuffer().AsSpan(0, (int)stream.Length)));
        return Base64Url.EncodeToString(stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }

    // The bytes are authentic: only another version of this format can be in the way.
    private static Caller? ReadBody(byte[] bytes, int length)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes, 0, length, writable: false), Encoding.UTF8);
        if (reader.ReadByte() != FormatVersion)
        {
            return null;
        }

        var isSystem = reader.ReadBoolean();
        var role = (AppRole)reader.ReadByte();
        var expiresAt = DateTimeOffset.FromUnixTimeMilliseconds(reader.ReadInt64());
        var app = reader.ReadString();
        var scopes = new string[reader.ReadUInt16()];
        for (var i = 0; i < scopes.Length; i++)
        {
            scopes[i] = reader.ReadString();
        }

        return isSystem ? Caller.System(expiresAt) : new Caller(AppId.Parse(app, CultureInfo.InvariantCulture), role, scopes, expiresAt);
    }

    private sealed record Minted(string Text, DateTimeOffset ExpiresAt);
}

/// <summary>A stretch of an async flow whose grain calls carry a ticket; disposing it puts back what was there before.</summary>
public readonly struct CallerScope : IDisposable
{
    private readonly object? ticketBefore;
    private readonly object? tokenBefore;

    internal CallerScope(string ticket)
    {
        ticketBefore = RequestContext.Get(CallContext.Ticket);
        tokenBefore = RequestContext.Get(CallContext.AccessToken);
        RequestContext.Remove(CallContext.AccessToken);
        RequestContext.Set(CallContext.Ticket, ticket);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        PutBack(CallContext.Ticket, ticketBefore);
        PutBack(CallContext.AccessToken, tokenBefore);
    }

    private static void PutBack(string name, object? value)
    {
        if (value is null)
        {
            RequestContext.Remove(name);
        }
        else
        {
            RequestContext.Set(name, value);
        }
    }
}

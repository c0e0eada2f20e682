using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.WebUtilities;

namespace EhrGrains.Sandbox.Searching;

/// <summary>The place where a search goes on.</summary>
internal sealed record PagePlace(int Offset, int Count, string Type, string Query);

/// <summary>
/// Writes the place in a search into a <c>next</c> link: opaque, good for a while, and nothing to remember here. The key lives
/// as long as the process.
/// </summary>
internal sealed class PageSeal(TimeProvider time, TimeSpan lifetime)
{
    private readonly IDataProtector protector = new EphemeralDataProtectionProvider().CreateProtector("search");

    public string Seal(PagePlace place)
    {
        var text = Encoding.UTF8.GetBytes(place.Type + "?" + place.Query);
        var plain = new byte[16 + text.Length];
        BinaryPrimitives.WriteInt64LittleEndian(plain, (time.GetUtcNow() + lifetime).UtcTicks);
        BinaryPrimitives.WriteInt32LittleEndian(plain.AsSpan(8), place.Offset);
        BinaryPrimitives.WriteInt32LittleEndian(plain.AsSpan(12), place.Count);
        text.CopyTo(plain, 16);
        return WebEncoders.Base64UrlEncode(protector.Protect(plain));
    }

    /// <summary>Null when the place was never given out, or its time is over.</summary>
    public PagePlace? Open(string seal)
    {
        byte[] plain;
        try
        {
            plain = protector.Unprotect(WebEncoders.Base64UrlDecode(seal));
        }
        catch (Exception e) when (e is CryptographicException or FormatException)
        {
            return null;
        }

        var text = Encoding.UTF8.GetString(plain.AsSpan(16));
        var mark = text.IndexOf('?', StringComparison.Ordinal);
        var offset = BinaryPrimitives.ReadInt32LittleEndian(plain.AsSpan(8));
        var count = BinaryPrimitives.ReadInt32LittleEndian(plain.AsSpan(12));
        return BinaryPrimitives.ReadInt64LittleEndian(plain) <= time.GetUtcNow().UtcTicks
            ? null
            : new PagePlace(offset, count, text[..mark], text[(mark + 1)..]);
    }
}

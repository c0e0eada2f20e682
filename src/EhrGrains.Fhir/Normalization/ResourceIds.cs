using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace EhrGrains.Fhir.Normalization;

/// <summary>An id that stands for one too long to be escaped; whoever answers with it has to remember what it stands for.</summary>
public sealed record IdAlias(string Alias, string Original);

/// <summary>
/// Turns an EHR's logical ids into ids that FHIR R4 allows (<c>[A-Za-z0-9\-.]{1,64}</c>) and back. Epic documents ids beyond
/// both limits. A legal id passes unchanged unless it starts with one of our two prefixes; any other is escaped after
/// <c>eg-</c> (<c>.2F</c> for an ASCII character, <c>.u00E9</c> for another UTF-16 unit) when that fits in 64 characters, else it
/// becomes an alias: <c>eg.</c> and the base 32 SHA-256 of the id. No two ids share a legal id.
/// </summary>
public static class ResourceIds
{
    /// <summary>The longest id that FHIR allows, in characters.</summary>
    public const int LengthMax = 64;

    private const string EscapePrefix = "eg-";
    private const string AliasPrefix = "eg.";
    private const int AliasLength = 3 + 52;
    private const string Base32 = "abcdefghijklmnopqrstuvwxyz234567";

    private static readonly SearchValues<char> Base32Characters = SearchValues.Create(Base32);
    private static readonly SearchValues<char> LegalCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.");

    private static readonly SearchValues<byte> LegalBytes =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."u8);

    /// <summary>The legal id of an EHR's id.</summary>
    /// <param name="original">The id as the EHR gives it.</param>
    /// <param name="needsAlias">True when the answer is an alias, to be stored with the original.</param>
    public static string ToLegal(string original, out bool needsAlias)
    {
        needsAlias = false;
        if (IsLegal(original) && !HasOurPrefix(original))
        {
            return original;
        }

        Span<char> escaped = stackalloc char[LengthMax];
        if (TryEscape(original, escaped, out var length))
        {
            return new string(escaped[..length]);
        }

        needsAlias = true;
        return Alias(original);
    }

    /// <summary>The EHR's id of a legal id; false when it is not one of ours to undo: an alias, to be looked up, or nothing we gave out.</summary>
    public static bool TryToOriginal(string legal, [NotNullWhen(true)] out string? original)
    {
        original = null;
        if (!IsLegal(legal) || legal.StartsWith(AliasPrefix, StringComparison.Ordinal))
        {
            return false;
        }

        if (!legal.StartsWith(EscapePrefix, StringComparison.Ordinal))
        {
            original = legal;
            return true;
        }

        // Two spellings of one id would be two cache entries and two audit names: only the one that we write is taken.
        if (!TryUnescape(legal.AsSpan(EscapePrefix.Length), out var candidate) || ToLegal(candidate, out _) != legal)
        {
            return false;
        }

        original = candidate;
        return true;
    }

    /// <summary>Whether a legal id has the form of an alias.</summary>
    public static bool IsAlias(string legal) =>
        legal.Length == AliasLength
        && legal.StartsWith(AliasPrefix, StringComparison.Ordinal)
        && !legal.AsSpan(AliasPrefix.Length).ContainsAnyExcept(Base32Characters);

    /// <summary>Whether FHIR R4 allows the id.</summary>
    public static bool IsLegal(string id) =>
        id.Length is > 0 and <= LengthMax && !id.AsSpan().ContainsAnyExcept(LegalCharacters);

    /// <summary>Whether UTF-8 text is an id that passes unchanged.</summary>
    internal static bool PassesUnchanged(ReadOnlySpan<byte> id) =>
        id.Length is > 0 and <= LengthMax && !id.ContainsAnyExcept(LegalBytes)
            && !id.StartsWith("eg-"u8) && !id.StartsWith("eg."u8);

    private static bool HasOurPrefix(string id) =>
        id.StartsWith(EscapePrefix, StringComparison.Ordinal) || id.StartsWith(AliasPrefix, StringComparison.Ordinal);

    private static bool TryEscape(string original, Span<char> escaped, out int length)
    {
        EscapePrefix.CopyTo(escaped);
        length = EscapePrefix.Length;
        foreach (var c in original)
        {
            var plain = char.IsAsciiLetterOrDigit(c) || c == '-';
            var needed = plain ? 1 : c < 0x80 ? 3 : 6;
            if (length + needed > escaped.Length)
            {
                return false;
            }

            if (plain)
            {
                escaped[length] = c;
            }
            else if (c < 0x80)
            {
                escaped[length] = '.';
                ((int)c).TryFormat(escaped[(length + 1)..], out _, "X2", CultureInfo.InvariantCulture);
            }
            else
            {
                ".u".CopyTo(escaped[length..]);
                ((int)c).TryFormat(escaped[(length + 2)..], out _, "X4", CultureInfo.InvariantCulture);
            }

            length += needed;
        }

        return true;
    }

    private static bool TryUnescape(ReadOnlySpan<char> escaped, out string original)
    {
        var text = new StringBuilder(escaped.Length);
        original = "";
        for (var i = 0; i < escaped.Length; i++)
        {
            if (escaped[i] != '.')
            {
                text.Append(escaped[i]);
                continue;
            }

            var wide = i + 1 < escaped.Length && escaped[i + 1] == 'u';
            var start = wide ? i + 2 : i + 1;
            var digits = wide ? 4 : 2;
            if (start + digits > escaped.Length
                || !ushort.TryParse(escaped.Slice(start, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var unit))
            {
                return false;
            }

            text.Append((char)unit);
            i = start + digits - 1;
        }

        original = text.ToString();
        return true;
    }

    private static string Alias(string original)
    {
        // Over UTF-16 units, not UTF-8: the one encoding in which every .NET string is distinct.
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(original.AsSpan()), hash);
        Span<char> alias = stackalloc char[AliasLength];
        AliasPrefix.CopyTo(alias);
        var length = AliasPrefix.Length;
        var bits = 0;
        var bitCount = 0;
        foreach (var b in hash)
        {
            bits = ((bits << 8) | b) & 0xFFF;
            bitCount += 8;
            while (bitCount >= 5)
            {
                bitCount -= 5;
                alias[length++] = Base32[(bits >> bitCount) & 31];
            }
        }

        alias[length++] = Base32[(bits << (5 - bitCount)) & 31];
        return new string(alias[..length]);
    }
}

using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.Paging;

namespace EhrGrains.Grains.Query;

/// <summary>Where a search goes on: the EHR's own links by tenant (or, over several tenants, their cursors), and how far it has come.</summary>
/// <param name="Next">By tenant; for a tenant's own search there is one, under the tenant's id, and what it is joined with.</param>
/// <param name="Page">Which page comes next; the first one was 1.</param>
internal sealed record SearchPosition(IReadOnlyDictionary<string, string> Next, int Page);

/// <summary>Whose cursor it is and where it may be used: it opens nowhere else (I4).</summary>
/// <param name="Tenant">The tenant; null: several.</param>
/// <param name="App">The app that searches.</param>
/// <param name="Type">The resource type.</param>
internal readonly record struct CursorScope(TenantId? Tenant, AppId App, string Type)
{
    internal string KeyScope => Tenant?.Value ?? KeyRing.ClusterScope;

    internal byte[] AssociatedData => Encoding.UTF8.GetBytes($"cursor\0{App.Value}\0{Type}");
}

/// <summary>
/// Makes and reads cursors: at most 256 characters, sealed with AES-256-GCM under the tenant's cursor key, bound to tenant, app
/// and resource type. A cursor holds the EHR's link itself where that fits, otherwise the id of a row that holds it.
/// </summary>
internal sealed class Cursors(KeyRing keys, PagingTable paging, TimeProvider time)
{
    /// <summary>In a position: the patients that the search is about. No tenant's id has such a form.</summary>
    internal const string PatientsKey = "~patients";

    private const byte Separator = (byte)'\n';

    /// <summary>The longest cursor in characters: longer URLs break in proxies and log lines.</summary>
    internal const int LengthMax = 256;

    /// <summary>How long a cursor holds. EHRs end their search sessions after some 10 to 30 minutes themselves.</summary>
    internal static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(15);

    // version 1 | form 1 | expiry 4 (Unix seconds) | page 4 | the rest of the form
    private const int HeaderLength = 10;
    private const int SealOverhead = 34;
    private const int LinkBytesMax = (LengthMax * 3 / 4) - SealOverhead - HeaderLength;
    private const byte Version = 2;

    private enum Form : byte
    {
        /// <summary>The link as the EHR gave it.</summary>
        Link = 0,

        /// <summary>What follows the tenant's base URL in it.</summary>
        AfterBase = 1,

        /// <summary>The id of a row of <see cref="PagingTable"/>.</summary>
        Paging = 2,
    }

    /// <summary>Makes the cursor of a position.</summary>
    /// <param name="scope">Where it may be used.</param>
    /// <param name="position">Where the search goes on.</param>
    /// <param name="baseUrl">The tenant's FHIR base URL; null for several tenants.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal async ValueTask<string> SealAsync(CursorScope scope, SearchPosition position, string? baseUrl, CancellationToken cancellationToken)
    {
        var (form, tail) = await WriteAsync(scope, position, baseUrl, cancellationToken);
        var plain = new byte[HeaderLength + tail.Length];
        plain[0] = Version;
        plain[1] = (byte)form;
        BinaryPrimitives.WriteUInt32BigEndian(plain.AsSpan(2), (uint)(time.GetUtcNow() + Lifetime).ToUnixTimeSeconds());
        BinaryPrimitives.WriteInt32BigEndian(plain.AsSpan(6), position.Page);
        tail.CopyTo(plain.AsSpan(HeaderLength));
        return Base64Url.EncodeToString(await keys.SealAsync(scope.KeyScope, KeyClass.Cursor, plain, scope.AssociatedData, cancellationToken));
    }

    /// <summary>
    /// Reads a cursor; null when it is not one of ours, not for this place, changed or expired. Which of these it is, is nobody's
    /// business.
    /// </summary>
    internal async ValueTask<SearchPosition?> OpenAsync(CursorScope scope, string cursor, string? baseUrl, CancellationToken cancellationToken)
    {
        if (cursor.Length > LengthMax || await UnsealAsync(scope, cursor, cancellationToken) is not { } plain
            || plain.Length < HeaderLength || plain[0] != Version)
        {
            return null;
        }

        var expiresAt = DateTimeOffset.FromUnixTimeSeconds(BinaryPrimitives.ReadUInt32BigEndian(plain.AsSpan(2)));
        if (time.GetUtcNow() >= expiresAt)
        {
            return null;
        }

        var page = BinaryPrimitives.ReadInt32BigEndian(plain.AsSpan(6));
        var rest = plain.AsSpan(HeaderLength);
        switch ((Form)plain[1])
        {
            case Form.Link or Form.AfterBase when scope.Tenant is { } tenant:
                var (patients, link) = Split(rest);
                return new SearchPosition(One(tenant, patients, plain[1] == (byte)Form.AfterBase ? Trim(baseUrl) + link : link), page);
            case Form.Paging:
                var kept = await paging.FindAsync(scope.KeyScope, scope.AssociatedData, rest.ToArray(), cancellationToken);
                return kept is null ? null : new SearchPosition(kept, page);
            default:
                return null;
        }
    }

    private static Dictionary<string, string> One(TenantId tenant, string patients, string link)
    {
        var next = new Dictionary<string, string>(StringComparer.Ordinal) { [tenant.Value] = link };
        if (patients.Length > 0)
        {
            next[PatientsKey] = patients;
        }

        return next;
    }

    // Whom the search is about stands before the link: what a hospital writes into that cannot be taken for it.
    private static (string Patients, string Link) Split(ReadOnlySpan<byte> text)
    {
        var end = text.IndexOf(Separator);
        return end < 0 ? ("", "") : (Encoding.UTF8.GetString(text[..end]), Encoding.UTF8.GetString(text[(end + 1)..]));
    }

    private static string Trim(string? baseUrl) => (baseUrl ?? "").TrimEnd('/');

    private async ValueTask<(Form Form, byte[] Tail)> WriteAsync(
        CursorScope scope, SearchPosition position, string? baseUrl, CancellationToken cancellationToken)
    {
        var patients = position.Next.GetValueOrDefault(PatientsKey);
        if (scope.Tenant is { } tenant && position.Next.Count == (patients is null ? 1 : 2))
        {
            var link = position.Next[tenant.Value];
            var start = Trim(baseUrl);
            var afterBase = link.Length > start.Length && link.StartsWith(start, StringComparison.Ordinal) && link[start.Length] is '/' or '?';
            byte[] text = [.. Encoding.UTF8.GetBytes(patients ?? ""), Separator, .. Encoding.UTF8.GetBytes(afterBase ? link[start.Length..] : link)];
            if (text.Length <= LinkBytesMax)
            {
                return (afterBase ? Form.AfterBase : Form.Link, text);
            }
        }

        var id = await paging.SaveAsync(
            scope.KeyScope, scope.AssociatedData, position.Next, time.GetUtcNow() + Lifetime, cancellationToken);
        return (Form.Paging, id);
    }

    private async ValueTask<byte[]?> UnsealAsync(CursorScope scope, string cursor, CancellationToken cancellationToken)
    {
        // One text for each cursor: no padding, no white space, no spare bits.
        if (!Base64Url.IsValid(cursor) || Base64Url.EncodeToString(Base64Url.DecodeFromChars(cursor)) != cursor)
        {
            return null;
        }

        try
        {
            return await keys.OpenAsync(scope.KeyScope, KeyClass.Cursor, Base64Url.DecodeFromChars(cursor), scope.AssociatedData, cancellationToken);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}

using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace EhrGrains.Connect.Egress;

/// <summary>
/// Where a URL leads: scheme, host and port, and nothing else (RFC 6454 §4). What a bearer token, a key or a tenant header is
/// bound to (I7). Two origins are equal or they are not: there is no prefix, suffix or subdomain rule to get wrong.
/// </summary>
public readonly record struct Origin
{
    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");

    private Origin(string scheme, string host, int port)
    {
        Scheme = scheme;
        Host = host;
        Port = port;
    }

    /// <summary><c>https</c> or <c>http</c>.</summary>
    public string Scheme { get; }

    /// <summary>The host in lower case, as its A-label when it is international; an IPv6 address in brackets.</summary>
    public string Host { get; }

    /// <summary>The port, also when it is the scheme's own.</summary>
    public int Port { get; }

    /// <summary>
    /// Reads the origin of an absolute http or https URL. False for everything that two parsers could read differently: user
    /// information, backslashes, white space and control characters, escapes in the host, numeric hosts that are not written as
    /// four decimal numbers, an empty label, a URL without <c>//</c>.
    /// </summary>
    public static bool TryParse([NotNullWhen(true)] string? url, out Origin origin)
    {
        origin = default;
        if (url is null || !TryGetAuthority(url, out var authority) || !Uri.TryCreate(url, UriKind.Absolute, out var uri))
        {
            return false;
        }

        return TryGetHost(uri, authority, out var host) && IsNew(uri, host, out origin);
    }

    /// <summary>The origin of a URL that was read before.</summary>
    /// <exception cref="ArgumentException">It has none that could be trusted: see <see cref="TryParse"/>.</exception>
    public static Origin Of(Uri uri)
    {
        ArgumentNullException.ThrowIfNull(uri);
        return uri.IsAbsoluteUri && TryParse(uri.AbsoluteUri, out var origin)
            ? origin
            : throw new ArgumentException("The URL has no origin: it is not an absolute http or https URL with a plain host.", nameof(uri));
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Scheme}://{Host}:{Port}";

    private static bool IsNew(Uri uri, string host, out Origin origin)
    {
        origin = new Origin(uri.Scheme, host, uri.Port);
        return true;
    }

    // The raw text is looked at before Uri has made it pretty: Uri turns a backslash into a slash and trims white space.
    private static bool TryGetAuthority(string url, out ReadOnlySpan<char> authority)
    {
        authority = default;
        var scheme = url.StartsWith("https://", StringComparison.OrdinalIgnoreCase) ? 8
            : url.StartsWith("http://", StringComparison.OrdinalIgnoreCase) ? 7
            : 0;
        if (scheme == 0 || url.AsSpan().ContainsAny('\\', ' ') || ContainsControl(url))
        {
            return false;
        }

        authority = url.AsSpan(scheme);
        var end = authority.IndexOfAny('/', '?', '#');
        authority = end < 0 ? authority : authority[..end];
        return authority.Length > 0 && !authority.ContainsAny('@', '%');
    }

    private static bool ContainsControl(string url)
    {
        foreach (var c in url)
        {
            if (char.IsControl(c) || char.IsWhiteSpace(c) || char.IsSurrogate(c)
                || char.GetUnicodeCategory(c) == UnicodeCategory.Format)
            {
                return true;
            }
        }

        return false;
    }

    private static bool TryGetHost(Uri uri, ReadOnlySpan<char> authority, out string host)
    {
        host = "";
        try
        {
            host = uri.IdnHost;
        }
        catch (UriFormatException)
        {
            return false;
        }

        switch (uri.HostNameType)
        {
            case UriHostNameType.IPv6:
                host = $"[{host}]";
                return true;
            case UriHostNameType.IPv4:
                // 127.1, 0x7f000001 and 2130706433 are 127.0.0.1 to some and a name to others.
                return authority.StartsWith(host, StringComparison.Ordinal)
                    && (authority.Length == host.Length || authority[host.Length] == ':');
            case UriHostNameType.Dns:
                host = host.ToLowerInvariant();
                host = host.EndsWith('.') ? host[..^1] : host;
                return host.Length > 0
                    && !host.StartsWith('.')
                    && !host.EndsWith('.')
                    && !host.Contains("..", StringComparison.Ordinal)
                    && !EndsInNumber(host);
            default:
                return false;
        }
    }

    // "4." is a name to Uri and "4" an address: what ends in a number is an IPv4 address or nothing (WHATWG URL §3.5).
    private static bool EndsInNumber(string host)
    {
        var label = host.AsSpan(host.LastIndexOf('.') + 1);
        return !label.ContainsAnyExceptInRange('0', '9')
            || (label.StartsWith("0x", StringComparison.Ordinal) && !label[2..].ContainsAnyExcept(HexDigits));
    }
}

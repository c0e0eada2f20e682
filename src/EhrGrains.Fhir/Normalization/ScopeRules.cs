using System.Text;

namespace EhrGrains.Fhir.Normalization;

/// <summary>A scope, ready for bytes: its profile's rules and what is the tenant's own. Immutable and small: there is one a tenant.</summary>
internal sealed class ScopeRules
{
    private readonly byte[][] origins;
    private readonly byte[] path;

    internal ScopeRules(NormalizationScope scope)
    {
        Profile = ProfileRules.Of(scope.Profile);
        Zone = scope.Zone;
        origins = Origins(scope.EhrBase);
        path = Encoding.UTF8.GetBytes(scope.EhrBase.AbsolutePath.TrimEnd('/') + "/");
        Tenant = Encoding.UTF8.GetBytes(scope.Tenant.Value);
        Source = [.. "\"urn:ehrgrains:tenant:"u8, .. Tenant, (byte)'"'];
        Tag = [.. "{\"system\":\""u8, .. TenantSystem, .. "\",\"code\":\""u8, .. Tenant, .. "\"}"u8];
    }

    /// <summary>The system of the tag that names the tenant.</summary>
    internal static ReadOnlySpan<byte> TenantSystem => "https://ehrgrains.dev/fhir/tenant"u8;

    internal ProfileRules Profile { get; }

    internal TimeZoneInfo Zone { get; }

    internal byte[] Tenant { get; }

    /// <summary>The value of <c>meta.source</c>, quoted.</summary>
    internal byte[] Source { get; }

    /// <summary>The tenant's tag.</summary>
    internal byte[] Tag { get; }

    /// <summary>The length of the EHR's base URL with its slash at the start of an absolute URL; 0 when it is another's.</summary>
    internal int BaseLength(ReadOnlySpan<byte> url)
    {
        foreach (var origin in origins)
        {
            // Scheme and host are case-insensitive, the path is not (RFC 3986 §6.2.2.1).
            var length = origin.Length + path.Length;
            if (url.Length > length && Ascii.EqualsIgnoreCase(url[..origin.Length], origin) && url[origin.Length..].StartsWith(path))
            {
                return length;
            }
        }

        return 0;
    }

    private static byte[][] Origins(Uri ehrBase)
    {
        string[] spellings = ehrBase.IsDefaultPort
            ? [$"{ehrBase.Scheme}://{ehrBase.Host}", $"{ehrBase.Scheme}://{ehrBase.Host}:{ehrBase.Port}"]
            : [$"{ehrBase.Scheme}://{ehrBase.Host}:{ehrBase.Port}"];
        return [.. spellings.Select(Encoding.UTF8.GetBytes)];
    }
}

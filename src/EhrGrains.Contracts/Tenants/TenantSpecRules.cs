using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Contracts.Sync;

namespace EhrGrains.Contracts.Tenants;

/// <summary>
/// The one validator of what an operator states about a tenant, used by the grain, the command line and the gateway. Pure. It
/// reports every problem at once, by path, and never repeats a value: a value in the wrong place may be a secret.
/// Whether the vendor is known, and what its templates need, is checked by the grain, which has the vendor profiles.
/// </summary>
public static class TenantSpecRules
{
    private const int UrlLengthMax = 2_048;
    private const int ScopesMax = 200;
    private const int ScopeLengthMax = 256;
    private const int CertificatesLengthMax = 65_536;
    private const long DailyQuotaMax = 1_000_000_000;

    /// <summary>Everything that is wrong with the spec; empty when it is right.</summary>
    public static IReadOnlyList<Problem> Validate(TenantSpec spec)
    {
        var problems = new List<Problem>();
        if (!TenantId.TryParse(spec.Tenant, out var tenant) || tenant == AuditChains.Cluster)
        {
            problems.Add(new(
                "EHR-TEN-001",
                "tenant",
                "A tenant id has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter; 'ehrgrains' is taken."));
        }

        if (!IsPlainText(spec.DisplayName, 200))
        {
            problems.Add(new("EHR-TEN-002", "displayName", "Give the hospital's name: 1 to 200 characters, no control characters."));
        }

        if (!Enum.IsDefined(spec.Environment))
        {
            problems.Add(new("EHR-TEN-003", "environment", "The environment is sandbox or production."));
        }

        if (spec.TimeZone is null || !TimeZoneInfo.TryFindSystemTimeZoneById(spec.TimeZone, out var zone) || !zone.HasIanaId)
        {
            problems.Add(new("EHR-TEN-004", "timeZone", "Name an IANA time zone, for example America/Chicago."));
        }

        if (spec.Connection is null)
        {
            problems.Add(new("EHR-TEN-005", "connection", "State the connection: vendor, baseUrl and clientId."));
        }
        else
        {
            problems.AddRange(ValidateConnection(spec.Connection, spec.Environment));
        }

        AddBudget(problems, spec.Budget);
        AddRange(problems, "recordAgeMaxSeconds", spec.RecordAgeMaxSeconds, 0, 31_536_000);
        FeedSpecRules.Check(problems, spec.Feeds ?? []);
        MappingSpecRules.Check(problems, spec.Mapping ?? new());
        SyncSpecRules.Check(problems, spec.Sync ?? new());
        return problems;
    }

    /// <summary>Everything that is wrong with a connection of a tenant in that environment; empty when it is right.</summary>
    public static IReadOnlyList<Problem> ValidateConnection(ConnectionSpec connection, TenantEnvironment environment)
    {
        var problems = new List<Problem>();
        if (!Label.IsValid(connection.Vendor, TenantId.LengthMax))
        {
            problems.Add(new("EHR-TEN-010", "connection.vendor", "Name a vendor profile, for example epic."));
        }

        var networks = AddNetworks(problems, connection.PrivateNetworks ?? [], environment);
        AddUrl(problems, "connection.baseUrl", connection.BaseUrl, queryAllowed: false, environment, networks);
        if (connection.TokenEndpoint is not null)
        {
            AddUrl(problems, "connection.tokenEndpoint", connection.TokenEndpoint, queryAllowed: true, environment, networks);
        }

        if (connection.AssertionAudience is { } audience
            && (audience.Length is 0 or > UrlLengthMax || !Uri.TryCreate(audience, UriKind.Absolute, out _)))
        {
            problems.Add(new(
                "EHR-TEN-018",
                "connection.assertionAudience",
                "The assertion audience is an absolute URI; leave it out to use the token endpoint."));
        }

        // client_id: RFC 6749 appendix A.1 (VSCHAR).
        if (connection.ClientId is not { Length: >= 1 and <= 512 } || !connection.ClientId.All(c => c is >= ' ' and <= '~'))
        {
            problems.Add(new(
                "EHR-TEN-011", "connection.clientId", "Give the client id that the hospital issued: 1 to 512 printable ASCII characters."));
        }

        if (!Enum.IsDefined(connection.AuthMethod))
        {
            problems.Add(new(
                "EHR-TEN-012",
                "connection.authMethod",
                $"The authentication method is one of {string.Join(", ", Enum.GetNames<ClientAuthMethod>())}."));
        }

        AddScopes(problems, connection.Scopes ?? []);
        ConnectionSettingRules.Check(problems, connection);
        AddCertificates(problems, "connection.trustedCertificates", connection.TrustedCertificates);
        return problems;
    }

    /// <summary>
    /// What differs between two specs, by path. Certificates are shown by their SHA-256; with <paramref name="before"/> null
    /// everything that is stated differs from nothing.
    /// </summary>
    public static IReadOnlyList<Difference> Differences(TenantSpec? before, TenantSpec after)
    {
        var old = before is null ? [] : Flatten(before);
        var now = Flatten(after);
        return
        [
            .. old.Keys.Union(now.Keys, StringComparer.Ordinal)
                .Where(path => old.GetValueOrDefault(path) != now.GetValueOrDefault(path))
                .Select(path => new Difference(path, old.GetValueOrDefault(path), now.GetValueOrDefault(path))),
        ];
    }

    private static Dictionary<string, string?> Flatten(TenantSpec spec)
    {
        var connection = spec.Connection;
        var values = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["tenant"] = spec.Tenant,
            ["displayName"] = spec.DisplayName,
            ["environment"] = spec.Environment.ToString(),
            ["timeZone"] = spec.TimeZone,
            ["connection.vendor"] = connection.Vendor,
            ["connection.baseUrl"] = connection.BaseUrl,
            ["connection.clientId"] = connection.ClientId,
            ["connection.authMethod"] = connection.AuthMethod.ToString(),
            ["connection.scopes"] = connection.Scopes.Length == 0 ? null : string.Join(' ', connection.Scopes),
            ["connection.tokenEndpoint"] = connection.TokenEndpoint,
            ["connection.assertionAudience"] = connection.AssertionAudience,
            ["connection.privateNetworks"] = connection.PrivateNetworks.Length == 0 ? null : string.Join(' ', connection.PrivateNetworks),
            ["connection.trustedCertificates"] = Fingerprint(connection.TrustedCertificates),
            ["recordAgeMaxSeconds"] = Text(spec.RecordAgeMaxSeconds),
            ["budget.requests"] = Text(spec.Budget.Requests),
            ["budget.windowSeconds"] = Text(spec.Budget.WindowSeconds),
            ["budget.concurrency"] = Text(spec.Budget.Concurrency),
            ["budget.dailyQuota"] = spec.Budget.DailyQuota is { } quota ? Text(quota) : null,
        };
        ConnectionSettingRules.Flatten(values, connection);
        FeedSpecRules.Flatten(values, spec.Feeds);
        MappingSpecRules.Flatten(values, spec.Mapping);
        SyncSpecRules.Flatten(values, spec.Sync);
        return values;
    }

    internal static string Text(IFormattable value) => value.ToString(null, System.Globalization.CultureInfo.InvariantCulture);

    internal static string? Fingerprint(string? pem) =>
        pem is null ? null : $"SHA-256 {Convert.ToHexStringLower(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(pem)))}";

    private static void AddUrl(
        List<Problem> problems, string path, string? url, bool queryAllowed, TenantEnvironment environment, List<IPNetwork> networks)
    {
        if (url is not { Length: >= 1 and <= UrlLengthMax } || url.Any(c => c is <= ' ' or '\\' or > '~')
            || !Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Host.Length == 0)
        {
            problems.Add(new("EHR-TEN-013", path, "Give an absolute URL of printable ASCII, at most 2,048 characters."));
            return;
        }

        if (uri.UserInfo.Length > 0 || url.Contains('@', StringComparison.Ordinal) || url.Contains('#', StringComparison.Ordinal)
            || (!queryAllowed && url.Contains('?', StringComparison.Ordinal)))
        {
            problems.Add(new("EHR-TEN-014", path, "The URL has no user name or password, no fragment and no query."));
        }

        var address = IPAddress.TryParse(uri.IdnHost.Trim('[', ']'), out var literal) ? literal : null;
        var loopback = address is not null && IPAddress.IsLoopback(address);
        if (loopback && (environment != TenantEnvironment.Sandbox || !networks.Any(network => Covers(network, address!))))
        {
            problems.Add(new(
                "EHR-TEN-015",
                path,
                "A loopback address is taken only in a sandbox whose privateNetworks name it, for example 127.0.0.1/32."));
        }
        else if (uri.Scheme != Uri.UriSchemeHttps && !(loopback && uri.Scheme == Uri.UriSchemeHttp))
        {
            problems.Add(new("EHR-TEN-016", path, "The URL is https. Plain http is taken only for a loopback address in a sandbox."));
        }
    }

    // What no hospital is behind, whatever a file says: link-local holds the cloud metadata services, and the translating
    // ranges of IPv6 (RFC 6052, RFC 4291 §2.5.5) lead back to any IPv4 address.
    private static readonly IPNetwork[] NeverAllowed =
    [
        IPNetwork.Parse("0.0.0.0/8"), IPNetwork.Parse("169.254.0.0/16"), IPNetwork.Parse("224.0.0.0/3"),
        IPNetwork.Parse("fe80::/10"), IPNetwork.Parse("ff00::/8"), IPNetwork.Parse("::ffff:0:0/96"), IPNetwork.Parse("64:ff9b::/96"),
    ];

    private static List<IPNetwork> AddNetworks(List<Problem> problems, string[] ranges, TenantEnvironment environment)
    {
        var networks = new List<IPNetwork>();
        if (ranges.Length > 32)
        {
            problems.Add(new("EHR-TEN-020", "connection.privateNetworks", "At most 32 ranges."));
            return networks;
        }

        for (var i = 0; i < ranges.Length; i++)
        {
            var path = $"connection.privateNetworks[{i}]";
            if (!TryParseNetwork(ranges[i], out var network))
            {
                problems.Add(new("EHR-TEN-021", path, "Write the range as CIDR with the host bits zero, for example 10.20.0.0/16."));
            }
            else if (network.PrefixLength < 8)
            {
                problems.Add(new("EHR-TEN-022", path, "The range is too wide: name the hospital's own networks, /8 or narrower."));
            }
            else if (NeverAllowed.Any(never => Overlap(never, network)))
            {
                problems.Add(new(
                    "EHR-TEN-023",
                    path,
                    "The range holds link-local, multicast, unspecified or address-translating addresses, which are never allowed."));
            }
            else if (environment != TenantEnvironment.Sandbox
                && (IPAddress.IsLoopback(network.BaseAddress) || Covers(network, IPAddress.IPv6Loopback)))
            {
                problems.Add(new("EHR-TEN-024", path, "Loopback addresses are allowed only in a sandbox."));
            }
            else
            {
                networks.Add(network);
            }
        }

        return networks;
    }

    // The parser clears host bits without a word; who wrote 10.20.1.0/16 meant something else.
    private static bool TryParseNetwork(string range, out IPNetwork network) =>
        IPNetwork.TryParse(range, out network)
        && IPAddress.TryParse(range.AsSpan(0, range.IndexOf('/', StringComparison.Ordinal)), out var written)
        && written.Equals(network.BaseAddress);

    private static bool Overlap(IPNetwork a, IPNetwork b) =>
        SharePrefix(a.BaseAddress, b.BaseAddress, Math.Min(a.PrefixLength, b.PrefixLength));

    private static bool Covers(IPNetwork network, IPAddress address) => SharePrefix(network.BaseAddress, address, network.PrefixLength);

    // By the bits and not by IPNetwork.Contains, which takes an IPv4-mapped address for an IPv4 address and then finds
    // ::ffff:0:0 in any IPv6 network.
    private static bool SharePrefix(IPAddress a, IPAddress b, int bits)
    {
        Span<byte> x = stackalloc byte[16];
        Span<byte> y = stackalloc byte[16];
        if (a.AddressFamily != b.AddressFamily || !a.TryWriteBytes(x, out _) || !b.TryWriteBytes(y, out _))
        {
            return false;
        }

        var whole = bits / 8;
        return x[..whole].SequenceEqual(y[..whole]) && (bits % 8 == 0 || ((x[whole] ^ y[whole]) >> (8 - (bits % 8))) == 0);
    }

    private static void AddScopes(List<Problem> problems, string[] scopes)
    {
        if (scopes.Length > ScopesMax)
        {
            problems.Add(new("EHR-TEN-030", "connection.scopes", "At most 200 scopes."));
            return;
        }

        for (var i = 0; i < scopes.Length; i++)
        {
            if (!IsBackendScope(scopes[i]))
            {
                problems.Add(new(
                    "EHR-TEN-031", $"connection.scopes[{i}]",
                    "Not a scope that a backend service can have: write it as the EHR does, for example system/Patient.rs."));
            }
        }
    }

    // A scope token (RFC 6749 §3.3). Vendors have scopes of their own beside SMART's; those that look like SMART's must be right,
    // and patient/ and user/ scopes belong to a launch, not to a backend service.
    private static bool IsBackendScope(string? scope)
    {
        if (scope is not { Length: >= 1 and <= ScopeLengthMax } || !scope.All(c => c is '!' or (>= '#' and <= '[') or (>= ']' and <= '~')))
        {
            return false;
        }

        if (scope.StartsWith("system/", StringComparison.Ordinal))
        {
            var filter = scope.IndexOf('?', StringComparison.Ordinal);
            return SmartScope.TryParse(filter < 0 ? scope : scope[..filter], out _);
        }

        return !scope.StartsWith("patient/", StringComparison.Ordinal) && !scope.StartsWith("user/", StringComparison.Ordinal);
    }

    internal static void AddCertificates(List<Problem> problems, string path, string? pem)
    {
        if (pem is null)
        {
            return;
        }

        if (pem.Contains("PRIVATE KEY", StringComparison.Ordinal))
        {
            problems.Add(new(
                "EHR-TEN-050", path, "This holds a private key. Give certificates only, and replace that key: it is no longer private."));
            return;
        }

        var certificates = new X509Certificate2Collection();
        try
        {
            if (pem.Length <= CertificatesLengthMax)
            {
                certificates.ImportFromPem(pem);
            }
        }
        catch (CryptographicException)
        {
            certificates.Clear();
        }

        if (certificates.Count is 0 or > 16)
        {
            problems.Add(new(
                "EHR-TEN-051", path, "Give 1 to 16 certificates of the hospital's certificate authority in PEM, at most 64 KiB."));
        }

        foreach (var certificate in certificates)
        {
            certificate.Dispose();
        }
    }

    private static void AddBudget(List<Problem> problems, BudgetSpec? budget)
    {
        budget ??= new BudgetSpec();
        AddRange(problems, "budget.requests", budget.Requests, 1, 100_000);
        AddRange(problems, "budget.windowSeconds", budget.WindowSeconds, 1, 3_600);
        AddRange(problems, "budget.concurrency", budget.Concurrency, 1, 10_000);
        AddRange(problems, "budget.dailyQuota", budget.DailyQuota ?? 1, 1, DailyQuotaMax);
    }

    internal static void AddRange(List<Problem> problems, string path, long value, long min, long max)
    {
        if (value < min || value > max)
        {
            problems.Add(new(
                "EHR-TEN-060",
                path,
                string.Create(System.Globalization.CultureInfo.InvariantCulture, $"Out of range: {min:N0} to {max:N0}.")));
        }
    }

    internal static bool IsPlainText(string? text, int lengthMax) =>
        !string.IsNullOrWhiteSpace(text) && text.Length <= lengthMax && !text.Any(char.IsControl);
}

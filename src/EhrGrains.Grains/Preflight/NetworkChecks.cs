using System.Globalization;
using EhrGrains.Connect.Preflight;
using EhrGrains.Contracts.Preflight;

namespace EhrGrains.Grains.Preflight;

/// <summary>The way to the FHIR server: name, connection, certificate. The token endpoint's, where it is another host, is looked at as well.</summary>
internal static class NetworkChecks
{
    private static readonly TimeSpan ExpiryWarning = TimeSpan.FromDays(30);
    private static readonly TimeSpan ShortLife = TimeSpan.FromDays(10); // not revoked but left to end (CA/Browser Forum Baseline Requirements §4.9.10)
    private static readonly TimeSpan ConnectWarning = TimeSpan.FromSeconds(1);

    private static readonly Check[] Tls = [Check.TlsHandshake, Check.TlsChain, Check.TlsHost, Check.TlsExpiry, Check.TlsKey, Check.TlsRevocation];
    private static readonly Check[] AfterName = [Check.DnsAllowed, Check.DnsFamilies, Check.TcpConnects, .. Tls];

    internal static async Task RunAsync(PreflightRun run)
    {
        if (run.Halt is { } halt)
        {
            run.SkipAll(halt, [Check.DnsResolves, .. AfterName]);
            return;
        }

        var fhir = new Uri(run.Site.Connection.BaseUrl);
        await LookAsync(run, fhir);
        var endpoint = run.Site.Connection.TokenEndpoint ?? run.Site.Description.PinnedTokenEndpoint;
        if (endpoint is not null && Uri.TryCreate(endpoint, UriKind.Absolute, out var token) && token.Authority != fhir.Authority)
        {
            await LookAsync(run, token);
        }
    }

    private static async Task LookAsync(PreflightRun run, Uri url) =>
        Judge(run, url, await NetworkProbe.LookAsync(run.Site.Connection, url, run.Tools.Connect, run.Tools.Time, run.Deadline));

    internal static void Judge(PreflightRun run, Uri url, NetworkFacts facts)
    {
        var at = facts.Authority;
        run.Judge(Check.DnsResolves, facts.IPv4 + facts.IPv6 > 0, $"{facts.IPv4 + facts.IPv6} addresses.", "The name has no address: check it, or publish it to the resolvers of this cluster.", target: at);
        if (facts.IPv4 + facts.IPv6 == 0)
        {
            SkipAfter(run, "The name has no address.", at, AfterName);
            return;
        }

        run.Judge(
            Check.DnsAllowed, facts.Allowed > 0, $"{facts.Allowed} addresses are allowed, {facts.Private} of them in a private network of the tenant.",
            "The host is not on the public internet: name its network in connection.privateNetworks.", target: at);
        run.Judge(
            Check.DnsFamilies, facts.IPv4 > 0 || facts.Connected is not null, $"IPv4: {facts.IPv4}, IPv6: {facts.IPv6}.",
            "The host has IPv6 alone and is not reached so: publish an IPv4 address.", PreflightState.Warning, at);
        if (facts.Allowed == 0)
        {
            SkipAfter(run, "No address is allowed.", at, [Check.TcpConnects, .. Tls]);
            return;
        }

        if (facts.Connected is not { } took)
        {
            run.Fail(Check.TcpConnects, "No address took the connection in time.", $"Open the firewall to port {url.Port} for this cluster's addresses.", at);
            SkipAfter(run, "There is no connection.", at, Tls);
            return;
        }

        var milliseconds = string.Create(CultureInfo.InvariantCulture, $"Connected in {took.TotalMilliseconds:0} ms.");
        run.Judge(Check.TcpConnects, took <= ConnectWarning, milliseconds, "The way is long: check routing or the tunnel.", PreflightState.Warning, at);
        if (facts.Tls is { } tls)
        {
            CheckTls(run, tls, at);
        }
        else
        {
            SkipAfter(run, "Plain http, which is for a simulated hospital on this machine.", at, Tls);
        }
    }

    private static void CheckTls(PreflightRun run, TlsFacts tls, string at)
    {
        run.Judge(
            Check.TlsHandshake, tls.IsComplete || tls.HasCertificate,
            tls.IsComplete ? $"{tls.Protocol}, {tls.Application ?? "no ALPN"}." : tls.HasCertificate ? "Ended by us: the certificate is not trusted." : "The host did not complete it.",
            "Offer TLS 1.2 or 1.3 with a certificate, without asking for a client certificate.", target: at);
        if (!tls.HasCertificate)
        {
            SkipAfter(run, "No certificate was shown.", at, Tls.AsSpan(1));
            return;
        }

        run.Judge(
            Check.TlsChain, tls.ChainProblems.Count == 0,
            tls.ChainProblems.Count == 0 ? $"Trusted; {tls.Sent} certificates were sent." : $"{string.Join(", ", tls.ChainProblems)}; {tls.Sent} certificates were sent.",
            tls.ChainProblems.Contains("PartialChain")
                ? "Send the intermediate certificates along; if the authority is the hospital's own, state it in connection.trustedCertificates."
                : "Use a certificate of a public authority, or state the hospital's own in connection.trustedCertificates.",
            target: at);
        run.Judge(Check.TlsHost, tls.IsForHost, tls.IsForHost ? "The certificate is for this host." : "The certificate is for another host.", "Use a certificate with this host as subject alternative name.", target: at);
        var left = tls.NotAfter - run.Tools.Time.GetUtcNow();
        run.Judge(
            Check.TlsExpiry, left > ExpiryWarning || (left > TimeSpan.Zero && tls.Life <= ExpiryWarning * 2),
            string.Create(CultureInfo.InvariantCulture, $"The first of the chain ends on {tls.NotAfter.UtcDateTime:yyyy-MM-dd}."),
            "Renew the certificate.", left > TimeSpan.Zero ? PreflightState.Warning : PreflightState.Failed, at);
        run.Judge(Check.TlsKey, tls.IsStrong, $"{tls.Key}.", "Use RSA of 2048 bits or an elliptic curve of 256, signed without SHA-1.", target: at);
        run.Judge(
            Check.TlsRevocation, tls.NamesRevocation || tls.Life <= ShortLife || run.Site.Connection.TrustedCertificates is not null,
            tls.NamesRevocation
                ? "The certificate names where its revocation is told. It is not asked for: the address comes from the other side, and plain http does not leave here."
                : "The certificate names neither a revocation list nor OCSP.",
            "A certificate that cannot be revoked should live ten days at most.", PreflightState.Warning, at);
    }

    private static void SkipAfter(PreflightRun run, string why, string at, ReadOnlySpan<Check> checks)
    {
        foreach (var check in checks)
        {
            run.Skip(check, why, at);
        }
    }
}

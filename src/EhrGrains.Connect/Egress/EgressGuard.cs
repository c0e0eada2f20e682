using System.Net;
using System.Net.Sockets;

namespace EhrGrains.Connect.Egress;

/// <summary>
/// The one door to the outside: nothing leaves over plain http except to a loopback literal that the tenant names, and no socket
/// is opened to an address that was not judged. Names are resolved here and the judged address is the one connected to.
/// </summary>
internal sealed class EgressGuard : DelegatingHandler
{
    private readonly AddressRules rules;
    private readonly Func<string, CancellationToken, Task<IPAddress[]>> resolve;
    private readonly TimeSpan connectTimeout;
    private readonly TimeProvider time;

    public EgressGuard(
        AddressRules rules,
        SocketsHttpHandler inner,
        Func<string, CancellationToken, Task<IPAddress[]>> resolve,
        TimeProvider time)
        : base(inner)
    {
        this.rules = rules;
        this.resolve = resolve;
        this.time = time;
        connectTimeout = inner.ConnectTimeout;
        inner.ConnectCallback = ConnectAsync;
    }

    /// <summary>True when the scheme is allowed: https, or http to a loopback literal that is in a named network.</summary>
    internal static bool AllowsScheme(Uri uri, AddressRules rules) =>
        uri.Scheme == Uri.UriSchemeHttps
        || (uri.Scheme == Uri.UriSchemeHttp
            && IPAddress.TryParse(uri.IdnHost, out var literal)
            && IPAddress.IsLoopback(literal)
            && rules.IsNamed(literal));

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (request.RequestUri is not { IsAbsoluteUri: true } uri || !AllowsScheme(uri, rules))
        {
            throw new EgressRefusedException(
                EgressRefusal.Scheme,
                "Only https leaves here. Plain http is for a loopback address in a sandbox: "
                + "name it in connection.privateNetworks (127.0.0.1/32).");
        }

        return base.SendAsync(request, cancellationToken);
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var endPoint = context.DnsEndPoint;
        var allowed = await EgressSockets.ResolveAsync(endPoint.Host, rules, resolve, cancellationToken);
        return new NetworkStream(await EgressSockets.ConnectAsync(allowed, endPoint.Port, connectTimeout, time, cancellationToken), ownsSocket: true);
    }
}

using System.Net;
using System.Net.Sockets;

namespace EhrGrains.Connect.Egress;

/// <summary>Opens sockets to hospitals: names are resolved here, and the address that was judged is the one connected to.</summary>
internal static class EgressSockets
{
    // Hosts answer with a handful of addresses; more are not tried, so that the connect timeout is shared by few.
    private const int AddressesMax = 4;

    /// <summary>The addresses of a host that the rules allow; at least one, unless the name led to none at all.</summary>
    /// <exception cref="EgressRefusedException">The name leads to addresses, but to none that is allowed.</exception>
    internal static async Task<IPAddress[]> ResolveAsync(
        string host, AddressRules rules, Func<string, CancellationToken, Task<IPAddress[]>> resolve, CancellationToken cancellationToken)
    {
        var addresses = IPAddress.TryParse(host, out var literal) ? [literal] : await resolve(host, cancellationToken);
        var allowed = addresses.Where(rules.Allow).Take(AddressesMax).ToArray();
        return allowed.Length > 0 || addresses.Length == 0
            ? allowed
            : throw new EgressRefusedException(
                EgressRefusal.Address,
                "The host leads to an address that is not on the public internet. "
                + "If the hospital is reached over a private network, name that network in connection.privateNetworks.");
    }

    /// <summary>Connects to the first address that takes the connection.</summary>
    /// <exception cref="HttpRequestException">None did in time.</exception>
    internal static async Task<Socket> ConnectAsync(
        IPAddress[] addresses, int port, TimeSpan timeout, TimeProvider time, CancellationToken cancellationToken)
    {
        Exception? last = null;
        foreach (var address in addresses)
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            using var patience = new CancellationTokenSource(timeout / addresses.Length, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
            try
            {
                await socket.ConnectAsync(new IPEndPoint(address, port), either.Token);
                return socket;
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                socket.Dispose();
                cancellationToken.ThrowIfCancellationRequested();
                last = e;
            }
        }

        throw new HttpRequestException(HttpRequestError.ConnectionError, "None of the host's addresses took the connection.", last);
    }
}

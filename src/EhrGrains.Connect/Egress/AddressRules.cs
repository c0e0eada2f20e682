using System.Net;
using System.Net.Sockets;

namespace EhrGrains.Connect.Egress;

/// <summary>
/// Which addresses a tenant's URLs may lead to. Judged is the address that is connected to, after the name was resolved, so that
/// a name that changes its answer (DNS rebinding) gains nothing.
/// </summary>
internal sealed class AddressRules
{
    // Never, whatever the operator states: no hospital is there, but the credentials of our own machines are.
    private static readonly IPNetwork[] Never =
    [
        IPNetwork.Parse("0.0.0.0/8"),          // "this network", RFC 791: connects to the local machine on Linux
        IPNetwork.Parse("169.254.0.0/16"),     // link-local, RFC 3927: cloud metadata
        IPNetwork.Parse("100.100.100.200/32"), // metadata, Alibaba
        IPNetwork.Parse("168.63.129.16/32"),   // host services, Azure
        IPNetwork.Parse("192.0.0.192/32"),     // metadata, Oracle
        IPNetwork.Parse("224.0.0.0/4"),        // multicast, RFC 5771
        IPNetwork.Parse("240.0.0.0/4"),        // reserved and broadcast, RFC 1112, RFC 919
        IPNetwork.Parse("::/128"),             // unspecified
        IPNetwork.Parse("fe80::/10"),          // link-local, RFC 4291
        IPNetwork.Parse("ff00::/8"),           // multicast, RFC 4291
        IPNetwork.Parse("fd00:ec2::254/128"),  // metadata, Amazon
        IPNetwork.Parse("fd20:ce::254/128"),   // metadata, Google
        IPNetwork.Parse("64:ff9b:1::/48"),     // local-use NAT64, RFC 8215: where the IPv4 address is inside is not known
        IPNetwork.Parse("2001::/32"),          // Teredo, RFC 4380
    ];

    // Outside the public internet (RFC 6890): only inside a network that the operator named for the tenant.
    private static readonly IPNetwork[] NotPublic =
    [
        IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("172.16.0.0/12"), IPNetwork.Parse("192.168.0.0/16"),
        IPNetwork.Parse("127.0.0.0/8"), IPNetwork.Parse("100.64.0.0/10"), IPNetwork.Parse("192.0.0.0/24"),
        IPNetwork.Parse("192.0.2.0/24"), IPNetwork.Parse("192.88.99.0/24"), IPNetwork.Parse("198.18.0.0/15"),
        IPNetwork.Parse("198.51.100.0/24"), IPNetwork.Parse("203.0.113.0/24"),
        IPNetwork.Parse("2001::/23"), IPNetwork.Parse("2001:db8::/32"), IPNetwork.Parse("2002::/16"), IPNetwork.Parse("3fff::/20"),
    ];

    // All other IPv6 space is not global unicast: loopback, ::/96, NAT64, ULA, site-local and what is not yet given out.
    private static readonly IPNetwork GlobalUnicast = IPNetwork.Parse("2000::/3");
    private static readonly IPNetwork Nat64 = IPNetwork.Parse("64:ff9b::/96");
    private static readonly IPNetwork SixToFour = IPNetwork.Parse("2002::/16");
    private static readonly IPNetwork Compatible = IPNetwork.Parse("::/96");

    private readonly IPNetwork[] named;

    private AddressRules(IPNetwork[] named) => this.named = named;

    /// <summary>Rules for a tenant that names these networks.</summary>
    /// <exception cref="ProblemException">One of them is not a CIDR range; its position is named.</exception>
    public static AddressRules For(IReadOnlyList<string> privateNetworks)
    {
        var networks = new IPNetwork[privateNetworks.Count];
        for (var i = 0; i < networks.Length; i++)
        {
            if (!IPNetwork.TryParse(privateNetworks[i], out networks[i]))
            {
                throw new ProblemException(
                    ProblemKind.Invalid,
                    "EHR-CON-030",
                    $"connection.privateNetworks[{i}]",
                    "Not a CIDR range. Write the network's first address and its length, for example 10.20.0.0/16.");
            }
        }

        return new AddressRules(networks);
    }

    /// <summary>True when the tenant may be reached at the address.</summary>
    public bool Allow(IPAddress address)
    {
        address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        if (IsIn(Never, address) || (TryGetEmbedded(address, out var inner) && IsIn(Never, inner)))
        {
            return false;
        }

        return IsNamed(address) || IsPublic(address);
    }

    /// <summary>True when the operator named a network of the tenant that the address is in.</summary>
    public bool IsNamed(IPAddress address) => IsIn(named, address);

    private static bool IsPublic(IPAddress address) =>
        !IsIn(NotPublic, address) && (address.AddressFamily == AddressFamily.InterNetwork || GlobalUnicast.Contains(address));

    private static bool IsIn(IPNetwork[] networks, IPAddress address)
    {
        foreach (var network in networks)
        {
            if (network.BaseAddress.AddressFamily == address.AddressFamily && network.Contains(address))
            {
                return true;
            }
        }

        return false;
    }

    // The IPv4 address that a gateway on the way would connect to.
    private static bool TryGetEmbedded(IPAddress address, out IPAddress inner)
    {
        inner = IPAddress.None;
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        if (SixToFour.Contains(address))
        {
            inner = new IPAddress(bytes[2..6]);
            return true;
        }

        if (Nat64.Contains(address) || (Compatible.Contains(address) && !IPAddress.IsLoopback(address)))
        {
            inner = new IPAddress(bytes[12..]);
            return true;
        }

        return false;
    }
}

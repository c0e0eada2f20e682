using System.Net;
using System.Net.NetworkInformation;

namespace EhrGrains.Demo;

/// <summary>Where everything listens: the usual ports, or free ones where those are taken.</summary>
/// <param name="Http">HTTP gateway; 0: any free one.</param>
/// <param name="Silo">Between silos; 0: any free one.</param>
/// <param name="Gateway">Orleans clients; 0: any free one.</param>
/// <param name="Mllp">HL7 v2 feeds; 0: any free one.</param>
/// <param name="Hospitals">The first of the hospitals; 0: any free ones.</param>
internal sealed record Ports(int Http, int Silo, int Gateway, int Mllp, int Hospitals)
{
    internal static readonly Ports Any = new(0, 0, 0, 0, 0);
    private static readonly Ports Usual = new(8080, 11111, 30000, 2575, 9101);

    /// <summary>The usual ones that are free; what is said of those that are not.</summary>
    internal static (Ports Ports, string? Note) Choose()
    {
        var taken = IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpListeners()
            .Where(endpoint => IPAddress.IsLoopback(endpoint.Address) || endpoint.Address.Equals(IPAddress.Any) || endpoint.Address.Equals(IPAddress.IPv6Any))
            .Select(endpoint => endpoint.Port)
            .ToHashSet();
        var hospitals = Enumerable.Range(Usual.Hospitals, 3).ToArray();
        int[] conflicts = [.. new[] { Usual.Http, Usual.Silo, Usual.Gateway, Usual.Mllp }.Concat(hospitals).Where(taken.Contains)];
        var ports = new Ports(
            taken.Contains(Usual.Http) ? 0 : Usual.Http,
            taken.Contains(Usual.Silo) ? 0 : Usual.Silo,
            taken.Contains(Usual.Gateway) ? 0 : Usual.Gateway,
            taken.Contains(Usual.Mllp) ? 0 : Usual.Mllp,
            hospitals.Any(taken.Contains) ? 0 : Usual.Hospitals);
        return (ports, conflicts.Length == 0 ? null : $"Ports in use: {string.Join(", ", conflicts)}; free ones are taken instead.");
    }
}

using System.Net;
using CsCheck;
using EhrGrains.Connect.Egress;
using EhrGrains.Contracts;

namespace EhrGrains.Connect.Tests.Egress;

public sealed class AddressRulesTests
{
    private static readonly AddressRules NothingNamed = AddressRules.For([]);
    private static readonly AddressRules AllNamed = AddressRules.For(["0.0.0.0/0", "::/0"]);

    [Theory]
    [InlineData("8.8.8.8")]
    [InlineData("172.15.255.255")]
    [InlineData("172.32.0.0")]
    [InlineData("100.63.255.255")]
    [InlineData("100.128.0.0")]
    [InlineData("2606:4700::1111")]
    [InlineData("::ffff:8.8.8.8")]
    public void The_public_internet_is_open(string address) => NothingNamed.Allow(IPAddress.Parse(address)).ShouldBeTrue();

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.8.8.8")]
    [InlineData("10.0.0.1")]
    [InlineData("172.16.0.1")]
    [InlineData("172.31.255.255")]
    [InlineData("192.168.1.1")]
    [InlineData("100.64.0.1")]
    [InlineData("192.0.0.8")]
    [InlineData("192.0.2.1")]
    [InlineData("198.18.0.1")]
    [InlineData("198.51.100.1")]
    [InlineData("203.0.113.1")]
    [InlineData("::1")]
    [InlineData("fc00::1")]
    [InlineData("fd12:3456::1")]
    [InlineData("fec0::1")]
    [InlineData("2001:db8::1")]
    [InlineData("2002:0808:0808::1")] // 6to4
    [InlineData("64:ff9b::8.8.8.8")] // NAT64
    [InlineData("::8.8.8.8")] // IPv4-compatible
    [InlineData("::ffff:127.0.0.1")] // IPv4-mapped
    [InlineData("::ffff:10.0.0.1")]
    [InlineData("5f00::1")]
    public void What_is_not_public_needs_a_name_and_is_open_with_one(string address)
    {
        var ip = IPAddress.Parse(address);
        NothingNamed.Allow(ip).ShouldBeFalse();
        AllNamed.Allow(ip).ShouldBeTrue();
    }

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("0.1.2.3")]
    [InlineData("169.254.169.254")]
    [InlineData("169.254.0.1")]
    [InlineData("100.100.100.200")]
    [InlineData("168.63.129.16")]
    [InlineData("192.0.0.192")]
    [InlineData("224.0.0.1")]
    [InlineData("240.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("::")]
    [InlineData("fe80::1")]
    [InlineData("ff02::1")]
    [InlineData("fd00:ec2::254")]
    [InlineData("fd20:ce::254")]
    [InlineData("2001::1")] // Teredo
    [InlineData("64:ff9b:1::1")]
    [InlineData("::ffff:169.254.169.254")]
    [InlineData("::169.254.169.254")]
    [InlineData("64:ff9b::169.254.169.254")]
    [InlineData("2002:a9fe:a9fe::")]
    [InlineData("2002:e000:0001::")]
    public void Link_local_metadata_and_their_disguises_stay_shut_whatever_is_named(string address)
    {
        var ip = IPAddress.Parse(address);
        NothingNamed.Allow(ip).ShouldBeFalse();
        AllNamed.Allow(ip).ShouldBeFalse();
    }

    [Fact]
    public void A_named_network_opens_itself_and_nothing_beside()
    {
        var rules = AddressRules.For(["10.20.0.0/16", "fd00:1::/32"]);
        rules.Allow(IPAddress.Parse("10.20.255.1")).ShouldBeTrue();
        rules.Allow(IPAddress.Parse("::ffff:10.20.0.1")).ShouldBeTrue();
        rules.Allow(IPAddress.Parse("fd00:1:2::3")).ShouldBeTrue();
        rules.Allow(IPAddress.Parse("10.21.0.1")).ShouldBeFalse();
        rules.Allow(IPAddress.Parse("fd00:2::1")).ShouldBeFalse();
        rules.Allow(IPAddress.Loopback).ShouldBeFalse();
    }

    // Ranges whose IPv4 form one may think of: each opens the IPv6 addresses that it holds, if any may be opened, and nothing else.
    [Theory]
    [InlineData("::ffff:0:0/96", "")]
    [InlineData("::ffff:10.0.0.0/104", "")]
    [InlineData("::/96", "::10.0.0.1 ::8.8.8.8 ::1")]
    [InlineData("64:ff9b::/96", "64:ff9b::10.0.0.1")]
    [InlineData("2002::/16", "2002:a00:1::")]
    [InlineData("2001::/32", "")]
    [InlineData("fc00::/7", "fd12::1")]
    [InlineData("::1/128", "::1")]
    [InlineData("127.0.0.0/8", "127.0.0.1 ::ffff:127.0.0.1")]
    [InlineData("169.254.0.0/16", "")]
    [InlineData("fe80::/10", "")]
    public void A_range_opens_what_it_holds_and_no_disguise_of_it(string range, string opened)
    {
        string[] addresses =
        [
            "10.0.0.1", "::ffff:10.0.0.1", "::10.0.0.1", "::8.8.8.8", "64:ff9b::10.0.0.1", "2002:a00:1::", "2001:0:a00:1::1", "fd12::1", "fe80::1",
            "::1", "127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2001:db8::1",
        ];
        var rules = AddressRules.For([range]);

        addresses.Where(address => rules.Allow(IPAddress.Parse(address))).ShouldBe(opened.Split(' ', StringSplitOptions.RemoveEmptyEntries), ignoreOrder: true);
    }

    [Fact]
    public void Naming_a_network_never_shuts_another() =>
        Gen.Byte.Array[4].Sample(bytes =>
        {
            var ip = new IPAddress(bytes);
            if (NothingNamed.Allow(ip))
            {
                AddressRules.For(["10.0.0.0/8"]).Allow(ip).ShouldBeTrue();
                NothingNamed.Allow(ip.MapToIPv6()).ShouldBeTrue();
            }
        });

    [Fact]
    public void A_range_that_is_none_is_named_by_its_place()
    {
        var refused = Should.Throw<ProblemException>(() => AddressRules.For(["10.0.0.0/8", "hospital"]));
        refused.Problems.ShouldHaveSingleItem().Path.ShouldBe("connection.privateNetworks[1]");
    }
}

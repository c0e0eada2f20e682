using System.Text.RegularExpressions;
using CsCheck;
using EhrGrains.Connect.Egress;

namespace EhrGrains.Connect.Tests.Egress;

public sealed partial class OriginTests
{
    private static readonly Origin Hospital = Parse("https://ehr.org");

    [Theory]
    [InlineData("https://ehr.org/")]
    [InlineData("https://EHR.Org/api/FHIR/R4")]
    [InlineData("HTTPS://ehr.org")]
    [InlineData("https://ehr.org:443/x?y#z")]
    [InlineData("https://ehr.org./x")]
    [InlineData("https://ehr.org?x=https://evil.com")]
    [InlineData("https://ehr.org#@evil.com")]
    [InlineData("https://ehr.org/@evil.com")]
    public void The_same_place_written_in_another_way_is_the_same_origin(string url) => Parse(url).ShouldBe(Hospital);

    [Theory]
    [InlineData("http://ehr.org")]
    [InlineData("https://ehr.org:8443")]
    [InlineData("https://ehr.org:80")]
    [InlineData("https://ehr.org.evil.com")]
    [InlineData("https://evil-ehr.org")]
    [InlineData("https://xehr.org")]
    [InlineData("https://sub.ehr.org")]
    [InlineData("https://ehr.orgx")]
    [InlineData("https://ehr.org@evil.com")]
    [InlineData("https://evil.com@ehr.org")]
    [InlineData("https://user:password@ehr.org")]
    [InlineData("https://@ehr.org")]
    [InlineData("https://ehr.org:443@evil.com")]
    [InlineData("https://ehr.org\\@evil.com")]
    [InlineData("https://evil.com\\@ehr.org")]
    [InlineData("https:\\\\ehr.org")]
    [InlineData("https:/ehr.org")]
    [InlineData("https:ehr.org")]
    [InlineData("//ehr.org")]
    [InlineData("ehr.org")]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("https://")]
    [InlineData("https:///ehr.org")]
    [InlineData("https://ehr.org..")]
    [InlineData("https://.ehr.org")]
    [InlineData("https://ehr..org")]
    [InlineData("https://ehr%2eorg")]
    [InlineData("https://%65hr.org")]
    [InlineData("https://ehr.org%00.evil.com")]
    [InlineData("https://ehr.org%2f.evil.com")]
    [InlineData("https://ehr.org%40evil.com")]
    [InlineData(" https://ehr.org")]
    [InlineData("https://ehr.org\n")]
    [InlineData("https://ehr.org\t/")]
    [InlineData("https://ehr\u0000.org")]
    [InlineData("https://ehr.org\u00a0")]
    [InlineData("https://ehr\u200b.org")]
    [InlineData("https://ehr\u00ad.org")]
    [InlineData("https://\u0435hr.org")] // Cyrillic e
    [InlineData("https://ehr.\u03bfrg")] // Greek o
    [InlineData("https://xn--hr-8kc.org")]
    [InlineData("https://ehr.org:0")]
    [InlineData("https://ehr.org:99999")]
    [InlineData("https://ehr.org:443:443")]
    [InlineData("https://ehr.org:abc")]
    [InlineData("ftp://ehr.org")]
    [InlineData("file:///etc/passwd")]
    [InlineData("javascript:alert(1)//https://ehr.org")]
    [InlineData("data:text/plain,https://ehr.org")]
    [InlineData("https://[::1]")]
    [InlineData("https://[ehr.org]")]
    public void Another_place_is_never_the_same_origin(string? url) =>
        (Origin.TryParse(url, out var origin) && origin == Hospital).ShouldBeFalse();

    [Theory]
    [InlineData("http://2130706433/")]
    [InlineData("http://0x7f000001/")]
    [InlineData("http://0177.0.0.1/")]
    [InlineData("http://127.1/")]
    [InlineData("http://127.0.0.1./")]
    [InlineData("http://4./")]
    [InlineData("http://ehr.0x7f./")]
    [InlineData("http://127.0.0.1.evil@127.0.0.1/")]
    [InlineData("https://[fe80::1%25eth0]/")]
    [InlineData("https://user@127.0.0.1/")]
    public void A_host_that_parsers_read_differently_has_no_origin(string url) => Origin.TryParse(url, out _).ShouldBeFalse();

    [Theory]
    [InlineData("http://127.0.0.1:9101/fhir", "http://127.0.0.1:9101")]
    [InlineData("http://[::1]:9101/fhir", "http://[::1]:9101")]
    [InlineData("https://[2001:DB8::1]", "https://[2001:db8::1]:443")]
    [InlineData("https://klinik-köln.de", "https://xn--klinik-kln-lcb.de:443")]
    [InlineData("https://KLINIK-KÖLN.de:443/", "https://xn--klinik-kln-lcb.de:443")]
    public void It_is_written_with_scheme_host_and_port(string url, string written) => Parse(url).ToString().ShouldBe(written);

    [Fact]
    public void What_is_written_reads_back_as_the_same_origin() =>
        Urls.Sample(
            url =>
            {
                if (Origin.TryParse(url, out var origin))
                {
                    Parse(origin.ToString()).ShouldBe(origin);
                    Origin.Of(new Uri(url)).ShouldBe(origin);
                }
            },
            iter: 20_000);

    /// <summary>The oracle is a regular expression over the raw text, which shares nothing with the parser.</summary>
    [Fact]
    public void Nothing_is_the_hospital_but_what_says_so_letter_by_letter() =>
        Urls.Sample(
            url =>
            {
                if (Origin.TryParse(url, out var origin) && origin == Hospital)
                {
                    SaysSo().IsMatch(url).ShouldBeTrue(url);
                }
            },
            iter: 50_000);

    [Fact]
    public void A_url_without_origin_is_an_argument_error()
    {
        Should.Throw<ArgumentException>(() => Origin.Of(new Uri("/relative", UriKind.Relative)));
        Should.Throw<ArgumentException>(() => Origin.Of(new Uri("https://user@ehr.org")));
    }

    private static readonly Gen<string> Urls = Gen.Select(
        Gen.OneOf("https://", "HTTPS://", "http://", "https:", "https:/", "//", "https:\\\\", " https://"),
        Gen.OneOf("ehr.org", "EHR.ORG", "ehr.org.", "", "evil.com", "ehr.org.evil.com", "127.0.0.1", "[::1]"),
        Gen.String[
            Gen.OneOf(Gen.Char["@:/\\?#.%;&=[]"], Gen.Char["ehrorgvilcom2f40"], Gen.Char[" \t\n\u0000\u200b\u3002\uff0e\u2044"]),
            0,
            12],
        Gen.OneOf("", "ehr.org", "@ehr.org", "/ehr.org", ".evil.com", "@evil.com", ":443"),
        static (scheme, host, noise, tail) => scheme + host + noise + tail);

    [GeneratedRegex(
        @"^https://ehr[.\u3002\uff0e\uff61]org[.\u3002\uff0e\uff61]?(:0*443|:)?([/?#].*)?$",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex SaysSo();

    private static Origin Parse(string url) => Origin.TryParse(url, out var origin) ? origin : throw new FormatException(url);
}

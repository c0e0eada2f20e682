using System.Text.RegularExpressions;
using EhrGrains.Cli.Commands;
using EhrGrains.Contracts.Preflight;

namespace EhrGrains.Cli.Tests;

/// <summary>The page that is sent to hospitals. What is in it comes from other systems.</summary>
public sealed partial class PreflightPageTests
{
    private const string Nasty = "\"'><script>alert(1)</script><img src=x onerror=alert(2)> & \u202e";

    [Fact]
    public void Nothing_that_a_site_says_becomes_part_of_the_page()
    {
        var page = PreflightPage.Write(Report(
            Check("EHR-PRE-404" + Nasty, PreflightState.Warning, PreflightOwner.Operator) with { Name = Nasty, Target = Nasty, Seen = Nasty, Change = Nasty },
            Check("EHR-PRE-601", PreflightState.Failed, PreflightOwner.Hospital) with { Seen = Nasty }));

        string[] own = ["html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "code"];
        Tag().Matches(page).Select(tag => tag.Groups[1].Value).Distinct().ShouldBeSubsetOf(own);
        page.ShouldNotContain("src=x onerror=alert(2)>");
        page.ShouldContain("default-src 'none'");
        page.ShouldNotContain("href=");
    }

    [Fact]
    public void What_is_to_be_changed_comes_first_by_who_changes_it_and_the_worst_of_it_before_the_rest()
    {
        var page = PreflightPage.Write(Report(
            Check("EHR-PRE-102", PreflightState.Warning, PreflightOwner.Operator) with { Change = "our change" },
            Check("EHR-PRE-208", PreflightState.Warning, PreflightOwner.Hospital) with { Change = "their lesser change" },
            Check("EHR-PRE-601", PreflightState.Failed, PreflightOwner.Hospital) with { Change = "their greater change" },
            Check("EHR-PRE-602", PreflightState.Passed, PreflightOwner.Hospital)));

        string[] order = ["1 passed, 2 warning, 1 failed", "What the hospital should change", "their greater change", "their lesser change", "What we change", "our change", "All checks", "EHR-PRE-602"];
        var places = order.Select(text => page.IndexOf(text, StringComparison.Ordinal)).ToArray();
        places.ShouldAllBe(place => place > 0);
        places.ShouldBeInOrder();
    }

    [GeneratedRegex("</?([a-z0-9]+)", RegexOptions.None, 1_000)]
    private static partial Regex Tag();

    private static PreflightCheck Check(string code, PreflightState state, PreflightOwner owner) => new(code, "a.check", null, state, "Seen.", null, owner);

    private static PreflightReport Report(params PreflightCheck[] checks) => new()
    {
        Tenant = "st-mary",
        DisplayName = Nasty,
        Vendor = Nasty,
        BaseUrl = Nasty,
        StartedAt = DateTimeOffset.UnixEpoch,
        Duration = TimeSpan.FromSeconds(1),
        Requests = 3,
        Checks = checks,
    };
}

using System.Text.Json;
using EhrGrains.Cli.Tests.CommandLine;

namespace EhrGrains.Cli.Tests;

/// <summary>What is known of EHR products is shown without a cluster.</summary>
public sealed class VendorCommandTests
{
    [Fact]
    public async Task The_vendors_are_listed_in_words()
    {
        var lines = (await EhrgrainsProcess.RunAsync("vendor", "list")).ShouldExit(0).Output.Split('\n');

        lines.Single(line => line.StartsWith("modmed ", StringComparison.Ordinal)).ShouldContain("group patient system");
        lines.Count(line => line.Length > 0).ShouldBe(9);
    }

    [Fact]
    public async Task A_vendor_is_shown_as_its_file_with_its_sources()
    {
        var shown = await EhrgrainsProcess.RunAsync("vendor", "show", "epic", "-o", "json");

        using var vendor = JsonDocument.Parse(shown.ShouldExit(0).Output);
        vendor.RootElement.GetProperty("sources").GetArrayLength().ShouldBeGreaterThan(3);
        vendor.RootElement.GetProperty("document").GetString()!.ShouldContain("id: epic");
        (await EhrgrainsProcess.RunAsync("vendor", "show", "epic")).ShouldExit(0).Output.ShouldContain("strategy: DateWindow");
        (await EhrgrainsProcess.RunAsync("vendor", "show", "nobody")).ShouldExit(5).Error.ShouldContain("EHR-CLI-070");
    }
}

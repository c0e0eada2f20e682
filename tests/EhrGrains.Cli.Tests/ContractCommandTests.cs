using System.Text.Json;
using EhrGrains.Cli.Tests.CommandLine;
using EhrGrains.Testing;

namespace EhrGrains.Cli.Tests;

/// <summary>A contract is held against EHR products without a cluster.</summary>
public sealed class ContractCommandTests
{
    private static readonly string Example = Path.Combine(SharedData.RepositoryRoot(), "deploy", "contracts", "chronic-care.yaml");

    [Fact]
    public async Task Without_a_tenant_every_vendor_answers()
    {
        var result = await EhrgrainsProcess.RunAsync("contract", "check", Example, "-o", "json");

        // ModMed's EMA has no laboratory results.
        using var checks = JsonDocument.Parse(result.ShouldExit(3).Output);
        checks.RootElement.GetArrayLength().ShouldBe(8);
        checks.RootElement.EnumerateArray().Where(check => !check.GetProperty("isMet").GetBoolean()).Select(check => check.GetProperty("vendor").GetString()).ShouldContain("modmed-ema");
        var epic = (await EhrgrainsProcess.RunAsync("contract", "check", Example, "--vendor", "epic")).ShouldExit(0).Output;
        epic.ShouldContain("system/DocumentReference.crs");
        epic.ShouldContain("Observation?patient={patient}&category=laboratory&date=ge2015-01-01");
        (await EhrgrainsProcess.RunAsync("contract", "check", Example, "--vendor", "nobody")).ShouldExit(5).Error.ShouldContain("EHR-CLI-070");
    }

    [Fact]
    public async Task What_is_wrong_with_a_contract_is_said_at_once_by_file_path_and_line()
    {
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(
            directory.File("bad.yaml"),
            "contract: bad\nfeatures:\n  one:\n    resources:\n      Observation:\n        must: [valu]\n        searches: [colour=red]\n",
            TestContext.Current.CancellationToken);

        var refused = await EhrgrainsProcess.RunAsync(["contract", "check", "bad.yaml"], new RunSettings { Directory = directory.Path });

        refused.ShouldExit(2).Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(2);
        refused.Error.ShouldContain("bad.yaml: features.one.resources.Observation.must: «valu» names an element that FHIR R4's Observation does not have (line 6).");
        refused.Error.ShouldContain("(line 7)");
        (await EhrgrainsProcess.RunAsync("contract", "check", "no-such.yaml")).ShouldExit(5).Error.ShouldContain("EHR-CLI-140");
    }
}

using System.Text.Json;
using EhrGrains.Cli.Tests.CommandLine;
using EhrGrains.Testing;

namespace EhrGrains.Cli.Tests;

/// <summary><c>ehrgrains hl7 to-fhir</c>, as a process, on files.</summary>
public sealed class Hl7ToFhirTests
{
    private const string Header = @"MSH|^~\&|ADT|A|APP|B|20240131120000||ADT^A01^ADT_A01|42|P|2.5.1";
    private const string Message = Header + "\rPID|1||7^^^A^MR||DOE^JOHN||19800101|M\rPV1|1|I\rZAB|x\r";

    private const string Tenant = """
        tenant: a
        displayName: A
        timeZone: America/New_York
        connection:
          vendor: epic
          baseUrl: https://fhir.a.example/api/FHIR/R4
          clientId: client-1
        mapping:
          rules: |
            ZAB +> Patient
              ZAB-1  extension[https://a.example/x].valueString
        """;

    [Fact]
    public async Task Every_public_message_becomes_a_bundle_of_its_name()
    {
        using var directory = new TempDirectory();
        var folder = SharedData.Require("hl7/messages");

        var result = (await EhrgrainsProcess.RunAsync("hl7", "to-fhir", folder, "--out", directory.Path)).ShouldExit(0);

        result.Output.TrimEnd().Split('\n')[^1].ShouldMatch(@"^(\d+) of \1 messages converted, \d+ exceptions\.$");
        var names = Directory.EnumerateFiles(folder, "*.hl7").Select(path => Path.GetFileNameWithoutExtension(path) + ".json");
        Directory.EnumerateFiles(directory.Path).Select(Path.GetFileName).Intersect(names).Count().ShouldBe(names.Count());
        foreach (var file in Directory.EnumerateFiles(directory.Path))
        {
            using var bundle = JsonDocument.Parse(await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken));
            bundle.RootElement.GetProperty("resourceType").GetString().ShouldBe("Bundle");
        }
    }

    [Fact]
    public async Task Without_a_folder_the_bundle_is_printed_and_what_could_not_be_mapped_before_it()
    {
        using var directory = new TempDirectory();

        var result = (await EhrgrainsProcess.RunAsync("hl7", "to-fhir", Write(directory, "a.hl7", Message))).ShouldExit(0);

        result.Output.ShouldContain("! ZAB          unmapped-segment");
        result.Output.ShouldContain("\"resourceType\": \"Patient\"");
    }

    [Fact]
    public async Task Several_messages_of_a_file_become_several_bundles_and_what_is_none_is_named()
    {
        using var directory = new TempDirectory();
        Write(directory, "two.hl7", Message + Message);
        Write(directory, "none.hl7", "no message");
        var target = Path.Combine(directory.Path, "out");

        var result = await EhrgrainsProcess.RunAsync("hl7", "to-fhir", directory.Path, "--out", target);

        result.ShouldExit(3).Output.ShouldContain("2 of 3 messages converted");
        Directory.EnumerateFiles(target).Select(Path.GetFileName).Order().ShouldBe(["two.2.json", "two.json"]);
    }

    [Fact]
    public async Task Explain_says_what_became_of_every_part_and_shows_values_only_when_asked()
    {
        using var directory = new TempDirectory();
        var file = Write(directory, "a.hl7", Message);

        var result = (await EhrgrainsProcess.RunAsync("hl7", "to-fhir", file, "--explain")).ShouldExit(0);
        result.Output.ShouldMatch(@"PID-5\.1 +mapped +Patient\.name\.family \(types\.rules:\d+\)");
        result.Output.ShouldMatch(@"PID-1 +ignored ");
        result.Output.ShouldNotContain("DOE");

        (await EhrgrainsProcess.RunAsync("hl7", "to-fhir", file, "--explain", "--values")).ShouldExit(0).Output.ShouldMatch(@"PID-5\.1 +mapped +DOE ");
    }

    [Fact]
    public async Task Why_says_which_rules_looked_for_an_element_and_what_they_found()
    {
        using var directory = new TempDirectory();
        var file = Write(directory, "a.hl7", Message);

        var result = (await EhrgrainsProcess.RunAsync("hl7", "to-fhir", file, "--why", "Patient.deceasedDateTime", "-o", "json")).ShouldExit(0);

        var step = JsonDocument.Parse(result.Output).RootElement.GetProperty("steps").EnumerateArray().ShouldHaveSingleItem();
        step.GetProperty("source").GetString().ShouldBe("PID-29");
        step.GetProperty("finding").GetString().ShouldBe("empty");
        (await EhrgrainsProcess.RunAsync("hl7", "to-fhir", file, "--why", "Immunization.status")).ShouldExit(0).Output.ShouldContain("No rule for this element was tried");
    }

    [Fact]
    public async Task A_tenants_file_gives_its_site_layer_and_what_is_wrong_with_it_is_named()
    {
        using var directory = new TempDirectory();
        var message = Write(directory, "a.hl7", Message);
        var tenant = Write(directory, "a.yaml", Tenant);

        var good = await EhrgrainsProcess.RunAsync("hl7", "to-fhir", message, "--tenant", tenant);
        good.ShouldExit(0).Output.ShouldContain("https://a.example/x");

        Write(directory, "a.yaml", Tenant.Replace("valueString", "valueStrin"));
        (await EhrgrainsProcess.RunAsync("hl7", "to-fhir", message, "--tenant", tenant)).ShouldExit(2).Error.ShouldContain("mapping.rules:2: ");
        (await EhrgrainsProcess.RunAsync("hl7", "to-fhir", message, "--zone", "Nowhere")).ShouldExit(2).Error.ShouldContain("No such IANA time zone");
    }

    private static string Write(TempDirectory directory, string name, string content)
    {
        var path = Path.Combine(directory.Path, name);
        File.WriteAllText(path, content);
        return path;
    }
}

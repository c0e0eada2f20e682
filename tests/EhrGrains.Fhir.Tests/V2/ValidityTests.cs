using System.Diagnostics;
using System.Text.Json;
using EhrGrains.Fhir.V2;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Testing;
using Hl7.Fhir.Serialization;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>Every message, however odd, becomes valid R4 whose references resolve, and the same every time.</summary>
public sealed class ValidityTests
{
    [Fact]
    public void Everything_that_is_made_of_the_public_messages_is_valid_R4_by_strict_reading()
    {
        var faults = new List<string>();
        var count = 0;
        foreach (var name in Corpus.Names())
        {
            if (Corpus.Map(name) is { } mapped)
            {
                count++;
                faults.AddRange(FaultsOf(MappedBundle.Write(mapped)).Select(fault => $"{name}: {fault}"));
            }
        }

        faults.ShouldBeEmpty();
        count.ShouldBeGreaterThan(440);
    }

    [Fact]
    public void References_resolve_within_the_bundle()
    {
        var dangling = new List<string>();
        foreach (var name in Corpus.Names())
        {
            if (Corpus.Map(name) is { } mapped)
            {
                using var bundle = JsonDocument.Parse(MappedBundle.Write(mapped));
                var known = mapped.Resources.Select(resource => $"{resource.Type}/{resource.Id}").ToHashSet(StringComparer.Ordinal);
                dangling.AddRange(References(bundle.RootElement).Where(reference => !known.Contains(reference)).Select(reference => $"{name}: {reference}"));
            }
        }

        dangling.ShouldBeEmpty();
    }

    [Fact]
    public void A_message_always_becomes_the_same_bytes()
    {
        foreach (var name in Corpus.Names())
        {
            if (Corpus.Map(name) is { } first)
            {
                using var message = Hl7Message.Parse(Corpus.Read(name));
                MappedBundle.Write(Corpus.Map(message, explain: true)).ShouldBe(MappedBundle.Write(first), name);
            }
        }
    }

    [Fact]
    public async Task A_validator_of_other_people_finds_no_fault_either()
    {
        var stop = TestContext.Current.CancellationToken;
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, "npm"))), "npm is not installed.");
        using var output = new TempDirectory();
        foreach (var name in Corpus.Names())
        {
            if (Corpus.Map(name) is { } mapped)
            {
                await File.WriteAllBytesAsync(Path.Combine(output.Path, name + ".json"), MappedBundle.Write(mapped), stop);
            }
        }

        var folder = Path.Combine(SharedData.RepositoryRoot(), "tests", "EhrGrains.Fhir.Tests", "node");
        (await RunAsync("npm", ["ci", "--no-audit", "--no-fund", "--silent"], folder, stop)).ExitCode.ShouldBe(0);
        var (exitCode, said) = await RunAsync("node", ["validate.mjs", output.Path], folder, stop);

        exitCode.ShouldBe(0, said);
        said.Trim().Split('\n')[^1].ShouldEndWith(" 0 faults", customMessage: said);
    }

    private static IEnumerable<string> FaultsOf(byte[] bundle)
    {
        var reader = new Utf8JsonReader(bundle);
        FhirJsonDeserializer.STRICT.TryDeserializeResource(ref reader, out _, out var issues);
        return issues.Select(issue => issue.Message);
    }

    private static IEnumerable<string> References(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Array => element.EnumerateArray().SelectMany(References),
        JsonValueKind.Object => element.EnumerateObject().SelectMany(member =>
            member.NameEquals("reference") && member.Value.ValueKind == JsonValueKind.String ? [member.Value.GetString()!] : References(member.Value)),
        _ => [],
    };

    private static async Task<(int ExitCode, string Output)> RunAsync(
        string program, IEnumerable<string> arguments, string folder, CancellationToken cancellationToken)
    {
        using var process = Process.Start(
            new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var errors = process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return (process.ExitCode, await output + await errors);
    }
}

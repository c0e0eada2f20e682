using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using EhrGrains.Testing;

namespace EhrGrains.Grains.Tests.Sync;

/// <summary>A hospital that others have made: Medplum's FHIR server, in a process of its own, with Synthea's patients.</summary>
internal sealed class ForeignHospital : IDisposable
{
    private const string Data = "fhir/synthea-2.5-bulk-data-server";
    private static readonly string Folder = Path.Combine(SharedData.RepositoryRoot(), "tests", "EhrGrains.Fhir.Tests", "node");
    private readonly Process process;
    private readonly HttpClient http = new();

    private ForeignHospital(Process process, JsonElement said)
    {
        this.process = process;
        BaseUrl = said.GetProperty("url").GetString()!;
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", said.GetProperty("token").GetString());
    }

    public string BaseUrl { get; }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Starts it; skips the test, visibly, without npm or the data.</summary>
    public static async Task<ForeignHospital> StartAsync(string keys)
    {
        var data = SharedData.Require(Data);
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, "npm"))), "npm is not installed.");
        await InstallAsync();
        var node = Run("node", ["hospital.mjs", data, keys]);
        var failed = node.StandardError.ReadToEndAsync(Ct);
        return await node.StandardOutput.ReadLineAsync(Ct) is { } line
            ? new ForeignHospital(node, JsonSerializer.Deserialize<JsonElement>(line))
            : throw new InvalidOperationException(await failed);
    }

    /// <summary>All resources of a type, by the id.</summary>
    public async Task<Dictionary<string, JsonObject>> AllAsync(string type)
    {
        var bundle = (await http.GetFromJsonAsync<JsonObject>($"{BaseUrl}/{type}?_count=1000", Ct))!;
        var found = (bundle["entry"]?.AsArray() ?? []).Select(entry => entry!["resource"]!.AsObject()).ToDictionary(resource => (string)resource["id"]!);
        found.Count.ShouldBe((int)bundle["total"]!, "the test asks for no second page");
        return found;
    }

    public async Task PutAsync(JsonObject resource)
    {
        using var response = await http.PutAsJsonAsync($"{BaseUrl}/{resource["resourceType"]}/{resource["id"]}", resource, Ct);
        response.IsSuccessStatusCode.ShouldBeTrue(await response.Content.ReadAsStringAsync(Ct));
    }

    public async Task DeleteAsync(string type, string id)
    {
        using var response = await http.DeleteAsync(new Uri($"{BaseUrl}/{type}/{id}"), Ct);
        response.IsSuccessStatusCode.ShouldBeTrue(await response.Content.ReadAsStringAsync(Ct));
    }

    public void Dispose()
    {
        process.Kill(entireProcessTree: true);
        process.Dispose();
        http.Dispose();
    }

    // The validator's test uses the same packages, and has installed them where all tests are run.
    private static async Task InstallAsync()
    {
        if (File.GetLastWriteTimeUtc(Path.Combine(Folder, "node_modules", ".package-lock.json")) > File.GetLastWriteTimeUtc(Path.Combine(Folder, "package-lock.json")))
        {
            return;
        }

        using var install = Run("npm", ["ci", "--no-audit", "--no-fund", "--silent"]);
        var errors = install.StandardError.ReadToEndAsync(Ct);
        await install.WaitForExitAsync(Ct);
        install.ExitCode.ShouldBe(0, await errors);
    }

    private static Process Run(string program, IEnumerable<string> arguments) => Process.Start(new ProcessStartInfo(program, arguments)
    {
        WorkingDirectory = Folder,
        RedirectStandardInput = true, // which ends with this process, and the server with it
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;
}

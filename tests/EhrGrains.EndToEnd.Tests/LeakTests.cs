using System.Text;
using EhrGrains.EndToEnd.Tests.Harness;
using Npgsql;

namespace EhrGrains.EndToEnd.Tests;

/// <summary>
/// After queries, rotations and refusals, the database, every log line and every trace is searched for what must not be there:
/// the names and record numbers of the simulated patients (each carries a marker), and every secret that passed through.
/// </summary>
[Collection(nameof(ClusterCollection))]
public sealed class LeakTests(ClusterFixture fixture)
{
    // Every family name and every record number of the simulated hospitals begins so (docs/sandbox.md).
    private const string NameMarker = "Vexmoor";
    private const string RecordMarker = "VXMRN";

    [Fact]
    public async Task Neither_names_nor_record_numbers_nor_secrets_are_in_the_database_or_the_logs()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var cluster = fixture.Cluster;
        await UseEverythingAsync(cluster, cancellationToken);
        var canaries = new List<string> { NameMarker, RecordMarker, await cluster.App.TokenAsync(cancellationToken) };
        canaries.AddRange(cluster.Sites.Select(site => site.ClientSecret).OfType<string>());
        var forms = canaries.SelectMany(Forms).Distinct().ToArray();

        foreach (var file in Directory.GetFiles(cluster.Logs, "*.log"))
        {
            Found(await ReadAsync(file, cancellationToken), forms).ShouldBeEmpty(Path.GetFileName(file));
        }

        var dump = await DumpAsync(cluster.Database.AdminConnectionString, cancellationToken);
        dump.Length.ShouldBeGreaterThan(1_000);
        Found(dump, forms).ShouldBeEmpty("the database");
        // The search itself works: what the audit keeps in clear is found.
        dump.ShouldContain("app-one");
    }

    private static async Task UseEverythingAsync(Cluster cluster, CancellationToken cancellationToken)
    {
        foreach (var site in cluster.Sites)
        {
            foreach (var path in new[]
            {
                $"/fhir/{site.Tenant}/{site.SharedPatientSearch}",
                $"/fhir/{site.Tenant}/Patient/{site.LongChartPatientId}",
                $"/fhir/{site.Tenant}/Patient?family={NameMarker}&nonsense={RecordMarker}",
                $"/fhir/{site.Tenant}/Observation?patient={site.LongChartPatientId}&category=laboratory&_count=10",
                $"/fhir/{NameMarker}/Patient/{RecordMarker}",
            })
            {
                using var answer = await cluster.GetAsync(0, path, cancellationToken);
            }
        }
    }

    // As it is, as base64 and hexadecimal of it could stand in a row or a URL.
    private static IEnumerable<string> Forms(string canary)
    {
        var bytes = Encoding.UTF8.GetBytes(canary);
        yield return canary;
        yield return Convert.ToHexStringLower(bytes);
        yield return Uri.EscapeDataString(canary);
        if (canary.Length > 16)
        {
            yield return Convert.ToBase64String(bytes).TrimEnd('=');
        }
    }

    private static IEnumerable<string> Found(string text, string[] forms) =>
        forms.Where(form => text.Contains(form, StringComparison.OrdinalIgnoreCase)).Select(form => form[..Math.Min(6, form.Length)] + "…");

    private static async Task<string> ReadAsync(string file, CancellationToken cancellationToken)
    {
        await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync(cancellationToken);
    }

    /// <summary>Every row of every table as text; binary columns as hexadecimal.</summary>
    private static async Task<string> DumpAsync(string connectionString, CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(cancellationToken);
        var tables = new List<string>();
        await using (var list = new NpgsqlCommand(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')", connection))
        await using (var rows = await list.ExecuteReaderAsync(cancellationToken))
        {
            while (await rows.ReadAsync(cancellationToken))
            {
                tables.Add(rows.GetString(0));
            }
        }

        var dump = new StringBuilder();
        foreach (var table in tables)
        {
            using var copy = await connection.BeginTextExportAsync($"COPY (SELECT * FROM {table}) TO STDOUT", cancellationToken);
            dump.Append(await copy.ReadToEndAsync(cancellationToken));
        }

        return dump.ToString();
    }
}

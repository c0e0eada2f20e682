using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Audit;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.GrainStorage;
using EhrGrains.Storage.Ids;
using EhrGrains.Storage.Records;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Storage;

namespace EhrGrains.Storage.Tests;

public sealed class PostgreSqlLeakTests() : LeakTests(DatabaseKind.PostgreSql);

public sealed class SqliteLeakTests() : LeakTests(DatabaseKind.Sqlite);

/// <summary>A copy of the database reveals no secret and no PHI (I6): marked values are searched in every byte of it.</summary>
public abstract partial class LeakTests(DatabaseKind kind)
{
    private const string Canary = "CANARY-7f3a91c2";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Marked_values_are_nowhere_in_the_database()
    {
        await using var test = await TestDatabase.CreateAsync(kind, Cancelled);
        await using (var cluster = await TestCluster.StartAsync(test))
        {
            var services = cluster.GetSiloServiceProvider();
            await services.GetRequiredKeyedService<IGrainStorage>(EhrGrainsStorage.Name).WriteStateAsync(
                "state", GrainId.Create("test.notes", "leaky"), new GrainState<Note>(new Note(Canary)), Cancelled);
            var tenant = TenantId.Parse("leaky");
            await services.GetRequiredService<IdAliasTable>().SaveAsync(tenant, [("alias", Canary)], Cancelled);
            await services.GetRequiredService<AuditLog>().AppendAsync(AuditTests.Outcome(tenant, 1, Canary), Cancelled);
            await services.GetRequiredService<OneTime.OneTimeTable>()
                .TryUseAsync("issuer", Canary, DateTimeOffset.UtcNow.AddMinutes(1), Cancelled);
        }

        var dump = await DumpAsync(test);

        dump.ShouldContain("leaky", customMessage: "what is no secret is found, so the search works");
        dump.ShouldNotContain(Canary);
        dump.ShouldNotContain(Convert.ToHexStringLower(Encoding.UTF8.GetBytes(Canary)));
        dump.ShouldNotContain(Convert.ToBase64String(Encoding.UTF8.GetBytes(Canary))[..16]);
        dump.ShouldNotContain(Convert.ToHexString(Encoding.Unicode.GetBytes(Canary)), Case.Insensitive);
    }

    /// <summary>10,000 values in everything that a record stores: contents, history, identifiers, terms.</summary>
    [Fact]
    public async Task None_of_ten_thousand_marked_values_of_records_is_readable_in_the_database()
    {
        const int Values = 10_000;
        const int PerRecord = 100;
        string[] values = [.. Enumerable.Range(0, Values).Select(i => string.Create(CultureInfo.InvariantCulture, $"Mark{i:D5}Zq"))];
        await using var test = await TestDatabase.CreateAsync(kind, Cancelled);
        await using (var cluster = await TestCluster.StartAsync(test))
        {
            var services = cluster.GetSiloServiceProvider();
            var tenant = TenantId.Parse("leaky", null);
            foreach (var (record, marks) in values.Chunk(PerRecord).Index())
            {
                var patient = PatientId.Parse($"p{record}", null);
                await services.GetRequiredService<PatientIdentities>().BindAsync(tenant, [.. marks.Select(mark => ($"HOSP|{mark}", patient))], Cancelled);
                foreach (var version in (int[])[1, 2])
                {
                    var written = await services.GetRequiredService<RecordWriter>().CommitAsync(
                        new ChartCommit
                        {
                            Tenant = tenant,
                            Heads = [ChartHead.New(patient) with { Version = version }],
                            Writes =
                            [
                                .. marks.Select((mark, i) => new ChartWrite(
                                    patient,
                                    new ChartResource(
                                        "Patient", $"r{i}", version, DateTimeOffset.UnixEpoch, ChangeKind.Created, "adt/1", Encoding.UTF8.GetBytes($"{{\"family\":\"{mark}\"}}")))
                                {
                                    Added = version == 1 ? [new IndexTerm("Patient.family", mark)] : [],
                                }),
                            ],
                        },
                        Cancelled);
                    written.ShouldBeTrue();
                }
            }
        }

        var dump = await DumpAsync(test);

        dump.ShouldContain("adt/1", customMessage: "what is no secret is found, so the search works");
        values.ShouldAllBe(value => AnyMark().IsMatch(value));
        AnyMark().IsMatch(dump).ShouldBeFalse();
        AnyMark().IsMatch(Encoding.Latin1.GetString(Unhexed(dump))).ShouldBeFalse();
    }

    // PostgreSQL shows bytes as hexadecimal digits.
    private static byte[] Unhexed(string dump) => Convert.FromHexString(string.Concat(AnyBytes().Matches(dump).Select(match => match.Groups["digits"].Value)));

    [GeneratedRegex("Mark[0-9]{5}Zq", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, 60_000)]
    private static partial Regex AnyMark();

    [GeneratedRegex(@"\\x(?<digits>([0-9a-f]{2})+)", RegexOptions.ExplicitCapture, 60_000)]
    private static partial Regex AnyBytes();

    private static async Task<string> DumpAsync(TestDatabase test)
    {
        if (test.Kind == DatabaseKind.Sqlite)
        {
            var files = new StringBuilder();
            foreach (var file in Directory.GetFiles(Path.GetDirectoryName(test.SqliteFile)!, "ehrgrains.db*"))
            {
                // The driver holds the file open, and its log.
                await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
                using var reader = new StreamReader(stream, Encoding.Latin1);
                files.Append(await reader.ReadToEndAsync(Cancelled));
            }

            return files.ToString();
        }

        var dump = new StringBuilder();
        foreach (var table in await test.LookAsync("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        {
            dump.AppendJoin('\n', await test.LookAsync($"SELECT t::text FROM {table} t"));
        }

        return dump.ToString();
    }
}

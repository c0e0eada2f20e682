using System.Text;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Audit;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.GrainStorage;
using EhrGrains.Storage.Ids;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Storage;

namespace EhrGrains.Storage.Tests;

public sealed class PostgreSqlLeakTests() : LeakTests(DatabaseKind.PostgreSql);

public sealed class SqliteLeakTests() : LeakTests(DatabaseKind.Sqlite);

/// <summary>A copy of the database reveals no secret and no PHI (I6): marked values are searched in every byte of it.</summary>
public abstract class LeakTests(DatabaseKind kind)
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

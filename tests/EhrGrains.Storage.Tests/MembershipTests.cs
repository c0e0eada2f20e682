using System.Net;
using EhrGrains.Storage.GrainStorage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Runtime.MembershipService;

namespace EhrGrains.Storage.Tests;

public sealed class PostgreSqlMembershipTests(PostgreSqlFixture fixture) : MembershipTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteMembershipTests(SqliteFixture fixture) : MembershipTests(fixture), IClassFixture<SqliteFixture>;

/// <summary>Orleans' membership table over our statements: every change is a compare-and-swap on the table's version.</summary>
public abstract class MembershipTests(DatabaseFixture fixture)
{
    private static readonly DateTime Start = new(2026, 11, 23, 10, 0, 0, DateTimeKind.Utc);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_silo_joins_votes_and_is_read_back()
    {
        var table = await NewTableAsync("joins");
        (await table.ReadAllAsync(Cancelled)).Members.ShouldBeEmpty();
        var entry = Entry(1);

        var before = (await table.ReadAllAsync(Cancelled)).Version;
        (await table.InsertRowAsync(entry, before.Next(), Cancelled)).ShouldBeTrue();
        (await table.InsertRowAsync(Entry(2), before.Next(), Cancelled)).ShouldBeFalse("the table has changed since");
        var read = await table.ReadRowAsync(entry.SiloAddress, Cancelled);
        entry.Status = SiloStatus.Dead;
        entry.SuspectTimes = [Tuple.Create(Entry(2).SiloAddress, Start)];
        (await table.UpdateRowAsync(entry, read.Members[0].Item2, read.Version, Cancelled)).ShouldBeTrue();

        var all = await table.ReadAllAsync(Cancelled);
        all.Version.Version.ShouldBe(2);
        var member = all.Members.ShouldHaveSingleItem().Item1;
        member.SiloAddress.ShouldBe(entry.SiloAddress);
        member.Status.ShouldBe(SiloStatus.Dead);
        member.SuspectTimes.ShouldBe(entry.SuspectTimes);
        (member.SiloName, member.HostName, member.ProxyPort).ShouldBe(("silo-1", "host-1", 30001));
        (member.StartTime, member.IAmAliveTime).ShouldBe((Start, Start));
    }

    [Fact]
    public async Task Of_writers_with_the_same_version_one_wins_and_nothing_of_the_others_is_kept()
    {
        var table = await NewTableAsync("cas");
        var version = (await table.ReadAllAsync(Cancelled)).Version;

        var joined = await Task.WhenAll(Enumerable.Range(1, 6).Select(i => table.InsertRowAsync(Entry(i), version, Cancelled)));

        joined.Count(j => j).ShouldBe(1);
        var all = await table.ReadAllAsync(Cancelled);
        all.Members.Count.ShouldBe(1);
        all.Version.Version.ShouldBe(1);
    }

    [Fact]
    public async Task A_silo_joins_once_and_only_who_has_joined_is_updated()
    {
        var table = await NewTableAsync("once");
        var version = (await table.ReadAllAsync(Cancelled)).Version;
        (await table.UpdateRowAsync(Entry(1), version.VersionEtag, version, Cancelled)).ShouldBeFalse();
        (await table.InsertRowAsync(Entry(1), version, Cancelled)).ShouldBeTrue();
        version = (await table.ReadAllAsync(Cancelled)).Version;

        (await table.InsertRowAsync(Entry(1), version, Cancelled)).ShouldBeFalse();

        (await table.ReadAllAsync(Cancelled)).Version.Version.ShouldBe(version.Version);
    }

    [Fact]
    public async Task A_sign_of_life_does_not_change_the_version()
    {
        var table = await NewTableAsync("alive");
        var entry = Entry(1);
        await table.InsertRowAsync(entry, (await table.ReadAllAsync(Cancelled)).Version, Cancelled);

        entry.IAmAliveTime = Start.AddMinutes(1);
        await table.UpdateIAmAliveAsync(entry, Cancelled);

        var all = await table.ReadAllAsync(Cancelled);
        all.Version.Version.ShouldBe(1);
        all.Members[0].Item1.IAmAliveTime.ShouldBe(Start.AddMinutes(1));
    }

    [Fact]
    public async Task Only_silos_long_dead_are_cleaned_up_and_clusters_do_not_meet()
    {
        var table = await NewTableAsync("cleanup");
        var other = await NewTableAsync("cleanup-other");
        foreach (var (i, status) in ((int, SiloStatus)[])[(1, SiloStatus.Dead), (2, SiloStatus.Active)])
        {
            foreach (var cluster in (IMembershipTable[])[table, other])
            {
                var entry = Entry(i);
                entry.Status = status;
                await cluster.InsertRowAsync(entry, (await cluster.ReadAllAsync(Cancelled)).Version, Cancelled);
            }
        }

        await table.CleanupDefunctSiloEntriesAsync(new DateTimeOffset(Start), Cancelled);
        (await table.ReadAllAsync(Cancelled)).Members.Count.ShouldBe(2);
        await table.CleanupDefunctSiloEntriesAsync(new DateTimeOffset(Start.AddDays(7)), Cancelled);

        (await table.ReadAllAsync(Cancelled)).Members.ShouldHaveSingleItem().Item1.Status.ShouldBe(SiloStatus.Active);
        await other.DeleteMembershipTableEntriesAsync("cleanup-other", Cancelled);
        (await NewTableAsync("cleanup-other")).ShouldNotBeNull();
        (await other.ReadAllAsync(Cancelled)).Members.ShouldBeEmpty();
        (await table.ReadAllAsync(Cancelled)).Members.Count.ShouldBe(1);
    }

    private static MembershipEntry Entry(int number) => new()
    {
        SiloAddress = SiloAddress.New(new IPEndPoint(IPAddress.Loopback, 11110 + number), number),
        SiloName = $"silo-{number}",
        HostName = $"host-{number}",
        Status = SiloStatus.Active,
        ProxyPort = 30000 + number,
        StartTime = Start,
        IAmAliveTime = Start,
    };

    private async Task<AdoNetClusteringTable> NewTableAsync(string cluster)
    {
        var database = (await fixture.GetAsync()).Database;
        var table = new AdoNetClusteringTable(
            new ServiceCollection().BuildServiceProvider(),
            Options.Create(new ClusterOptions { ClusterId = cluster }),
            Options.Create(new AdoNetClusteringSiloOptions
            {
                Invariant = EhrGrainsStorage.Invariant(database.Kind),
                DataSource = database.DataSource,
            }),
            NullLogger<AdoNetClusteringTable>.Instance);
        await table.InitializeMembershipTableAsync(true, Cancelled);
        return table;
    }
}

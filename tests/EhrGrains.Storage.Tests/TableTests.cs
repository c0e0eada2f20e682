using System.Security.Cryptography;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Ids;
using EhrGrains.Storage.OneTime;
using EhrGrains.Storage.SigningKeys;
using EhrGrains.Storage.Tenants;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Storage.Tests;

public sealed class PostgreSqlTableTests(PostgreSqlFixture fixture) : TableTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteTableTests(SqliteFixture fixture) : TableTests(fixture), IClassFixture<SqliteFixture>;

public abstract class TableTests(DatabaseFixture fixture)
{
    private static readonly AppId Chart = AppId.Parse("chart");
    private static readonly AppId Billing = AppId.Parse("billing");

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Tenants_are_listed_in_order_and_by_grant()
    {
        var table = new TenantTable((await fixture.GetAsync()).Database);
        await table.SaveAsync(Listing("list-b", "B"), [Chart, Billing], 1, Cancelled);
        await table.SaveAsync(Listing("list-a", "A"), [Chart], 1, Cancelled);
        await table.SaveAsync(Listing("list-b", "B", Lifecycle.Live), [Chart], 2, Cancelled);

        var listed = await table.ListAsync(TenantId.Parse("list"), 1000, Cancelled);
        listed.Where(t => t.Tenant.Value.StartsWith("list-", StringComparison.Ordinal)).ShouldBe(
            [Listing("list-a", "A"), Listing("list-b", "B", Lifecycle.Live)]);
        (await table.ListAsync(TenantId.Parse("list"), 1, Cancelled)).ShouldBe([Listing("list-a", "A")]);
        (await table.ListGrantedAsync(Chart, Cancelled)).ShouldBe([TenantId.Parse("list-a"), TenantId.Parse("list-b")]);
        (await table.ListGrantedAsync(Billing, Cancelled)).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_older_version_never_overwrites_a_tenant()
    {
        var table = new TenantTable((await fixture.GetAsync()).Database);
        var app = AppId.Parse("fenced-app");
        await table.SaveAsync(Listing("fenced", "new"), [app], 5, Cancelled);

        await table.SaveAsync(Listing("fenced", "old"), [], 4, Cancelled);

        (await table.ListAsync(TenantId.Parse("fence"), 1, Cancelled)).ShouldBe([Listing("fenced", "new")]);
        (await table.ListGrantedAsync(app, Cancelled)).ShouldBe([TenantId.Parse("fenced")]);
    }

    [Fact]
    public async Task Writers_that_race_leave_the_newest_version()
    {
        var table = new TenantTable((await fixture.GetAsync()).Database);
        var apps = Enumerable.Range(1, 20).Select(i => AppId.Parse($"racer-{i}")).ToArray();

        // Not in order: the newest is somewhere in the middle.
        await Task.WhenAll(Enumerable.Range(0, 20).Select(n => ((n * 7) % 20) + 1)
            .Select(version => table.SaveAsync(Listing("races", $"{version}"), [apps[version - 1]], version, Cancelled)));

        (await table.ListAsync(TenantId.Parse("race"), 1, Cancelled)).ShouldHaveSingleItem().DisplayName.ShouldBe("20");
        var granted = new List<AppId>();
        foreach (var app in apps)
        {
            if ((await table.ListGrantedAsync(app, Cancelled)).Length > 0)
            {
                granted.Add(app);
            }
        }

        granted.ShouldBe([apps[19]]);
    }

    [Fact]
    public async Task An_alias_finds_its_original_in_its_own_tenant_only()
    {
        var test = await fixture.GetAsync();
        using var keys = test.NewKeyRing();
        var (tenant, other) = (TenantId.Parse("alias"), TenantId.Parse("alias-other"));
        using var here = new IdAliasTable(test.Database, keys);
        using var there = new IdAliasTable(test.Database, keys);

        await here.SaveAsync(tenant, [("a1", "Original|1"), ("a2", "Original|2")], Cancelled);
        await there.SaveAsync(tenant, [("a2", "Original|2"), ("a3", "Original|3")], Cancelled);

        foreach (var silo in (IdAliasTable[])[here, there])
        {
            (await silo.FindAsync(tenant, "a1", Cancelled)).ShouldBe("Original|1");
            (await silo.FindAsync(tenant, "a3", Cancelled)).ShouldBe("Original|3");
            (await silo.FindAsync(tenant, "a4", Cancelled)).ShouldBeNull();
            (await silo.FindAsync(other, "a1", Cancelled)).ShouldBeNull();
        }
    }

    [Fact]
    public async Task An_original_that_was_moved_to_another_alias_is_refused()
    {
        var test = await fixture.GetAsync();
        using var keys = test.NewKeyRing();
        var tenant = TenantId.Parse("alias-moved");
        using (var table = new IdAliasTable(test.Database, keys))
        {
            await table.SaveAsync(tenant, [("m1", "one")], Cancelled);
        }

        await test.TamperAsync("UPDATE id_alias SET alias = 'm2' WHERE alias = 'm1'");

        using var fresh = new IdAliasTable(test.Database, keys);
        await Should.ThrowAsync<CryptographicException>(async () => await fresh.FindAsync(tenant, "m2", Cancelled));
    }

    [Fact]
    public async Task Silos_that_race_to_make_the_signing_key_get_the_same_one()
    {
        var test = await fixture.GetAsync();
        using var keys = test.NewKeyRing();
        var tables = Enumerable.Range(0, 4).Select(_ => new SigningKeyTable(test.Database, keys));

        var found = await Task.WhenAll(tables.Select(t => t.GetAsync(Cancelled)));

        found.Select(k => k.ShouldHaveSingleItem().KeyId).Distinct().ShouldHaveSingleItem();
        using var ecdsa = ECDsa.Create();
        ecdsa.ImportPkcs8PrivateKey(found[0][0].Pkcs8, out _);
        ecdsa.KeySize.ShouldBe(256);
        found[0][0].ToString().ShouldBe($"SigningKey {found[0][0].KeyId}");
    }

    [Fact]
    public async Task A_signing_key_is_published_a_day_before_it_signs_and_a_day_after_its_successor_does()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var test = await TestDatabase.CreateAsync((await fixture.GetAsync()).Kind, Cancelled);
        await using var database = test.Open(time);
        using var keys = test.NewKeyRing();
        var silos = Enumerable.Range(0, 4).Select(_ => new SigningKeyTable(database, keys)).ToArray();
        var first = (await silos[0].GetAsync(Cancelled)).ShouldHaveSingleItem();

        time.Advance(TimeSpan.FromDays(30) - TimeSpan.FromSeconds(1));
        (await RotateAsync()).ShouldBe([first.KeyId]);

        time.Advance(TimeSpan.FromSeconds(1));
        var both = await RotateAsync();
        both.Length.ShouldBe(2);
        both[1].ShouldBe(first.KeyId);
        var second = (await silos[3].GetAsync(Cancelled))[0];
        second.SignsFrom.ShouldBe(second.CreatedAt.AddHours(24));
        first.SignsFrom.ShouldBe(first.CreatedAt);

        time.Advance(TimeSpan.FromHours(48) - TimeSpan.FromSeconds(1));
        (await RotateAsync()).ShouldBe(both);
        time.Advance(TimeSpan.FromSeconds(1));
        (await RotateAsync()).ShouldBe([second.KeyId]);

        async Task<string[]> RotateAsync()
        {
            var seen = await Task.WhenAll(silos.Select(async silo =>
                string.Join(' ', (await silo.RotateAsync(TimeSpan.FromDays(30), Cancelled)).Select(key => key.KeyId))));
            return seen.Distinct().ShouldHaveSingleItem().Split(' ');
        }
    }

    [Fact]
    public async Task An_id_is_used_once_whoever_asks_and_however_often()
    {
        var test = await fixture.GetAsync();
        var tables = Enumerable.Range(0, 5).Select(_ => new OneTimeTable(test.Database, TimeProvider.System)).ToArray();
        var expiresAt = DateTimeOffset.UtcNow.AddMinutes(5);

        var used = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => tables[i % 5].TryUseAsync("app", "jti-1", expiresAt, Cancelled)));

        used.Count(u => u).ShouldBe(1);
        (await tables[0].TryUseAsync("app", "jti-2", expiresAt, Cancelled)).ShouldBeTrue();
        (await tables[0].TryUseAsync("other", "jti-1", expiresAt, Cancelled)).ShouldBeTrue();
        (await tables[0].TryUseAsync("appj", "ti-1", expiresAt, Cancelled)).ShouldBeTrue();
    }

    [Fact]
    public async Task Expired_ids_are_refused_and_swept_away()
    {
        var test = await fixture.GetAsync();
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow.AddYears(1));
        var table = new OneTimeTable(test.Database, time);
        (await table.TryUseAsync("swept", "a", time.GetUtcNow().AddMinutes(5), Cancelled)).ShouldBeTrue();
        (await table.TryUseAsync("swept", "b", time.GetUtcNow(), Cancelled)).ShouldBeFalse();
        await Should.ThrowAsync<ArgumentOutOfRangeException>(
            () => table.TryUseAsync("swept", "c", time.GetUtcNow().AddHours(2), Cancelled));

        time.Advance(TimeSpan.FromMinutes(6));
        (await table.TryUseAsync("swept", "d", time.GetUtcNow().AddMinutes(5), Cancelled)).ShouldBeTrue();

        (await test.LookAsync("SELECT expires_at_us FROM one_time")).Count.ShouldBe(1);
    }

    private static TenantListing Listing(string id, string name, Lifecycle lifecycle = Lifecycle.Draft) =>
        new(TenantId.Parse(id), name, "epic", TenantEnvironment.Production, lifecycle);
}

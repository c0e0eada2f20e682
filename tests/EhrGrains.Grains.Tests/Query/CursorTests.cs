using System.Buffers.Text;
using CsCheck;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.Paging;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Grains.Tests.Query;

public sealed class CursorTests(QueryCluster cluster) : IClassFixture<QueryCluster>
{
    private const string BaseUrl = "https://ehr.test/fhir/r4/";

    private static readonly CursorScope Here = new(TenantId.Parse("here", null), AppId.Parse("app", null), "Patient");

    private static readonly Gen<string> AnyLink = Gen.Select(
        Gen.OneOf(Gen.Const(BaseUrl + "Patient?"), Gen.Const("https://ehr.test/fhir/r4?"), Gen.Const("Patient?"), Gen.Const("https://ehr.test/other?")),
        Gen.String[Gen.Char.AlphaNumeric, 0, 130],
        (start, rest) => start + rest);

    private FakeTimeProvider Time { get; } = new(DateTimeOffset.UtcNow);

    private Cursors Cursors => new(cluster.Silo(0).GetRequiredService<KeyRing>(), cluster.Silo(0).GetRequiredService<PagingTable>(), Time);

    [Fact]
    public Task A_cursor_opens_as_what_it_was_made_of() => Gen.Select(AnyLink, Gen.Int[1, 10_000]).SampleAsync(
        async (link, page) =>
        {
            using var system = cluster.Silo(0).GetRequiredService<CallerTickets>().EnterSystem();
            var cursor = await Cursors.SealAsync(Here, At(link, page), BaseUrl, CancellationToken.None);
            cursor.Length.ShouldBeLessThanOrEqualTo(Cursors.LengthMax);
            var position = (await Cursors.OpenAsync(Here, cursor, BaseUrl, CancellationToken.None)).ShouldNotBeNull();
            (position.Next["here"], position.Page).ShouldBe((link, page));
        },
        iter: 200,
        threads: 1);

    [Fact]
    public Task A_changed_cursor_does_not_open() => Gen.Select(AnyLink.Where(l => l.Length < 120), Gen.Int[0, 10_000], Gen.Int[1, 255]).SampleAsync(
        async (link, position, change) =>
        {
            var cursor = await Cursors.SealAsync(Here, At(link, 2), BaseUrl, CancellationToken.None);
            var bytes = Base64Url.DecodeFromChars(cursor);
            bytes[position % bytes.Length] ^= (byte)change;
            (await Cursors.OpenAsync(Here, Base64Url.EncodeToString(bytes), BaseUrl, CancellationToken.None)).ShouldBeNull();
            (await Cursors.OpenAsync(Here, cursor[..(position % cursor.Length)], BaseUrl, CancellationToken.None)).ShouldBeNull();
            (await Cursors.OpenAsync(Here, cursor + "=", BaseUrl, CancellationToken.None)).ShouldBeNull();
            (await Cursors.OpenAsync(Here, cursor.Insert(position % cursor.Length, " "), BaseUrl, CancellationToken.None)).ShouldBeNull();
        },
        iter: 300,
        threads: 1);

    [Fact]
    public Task Text_that_is_no_cursor_does_not_open() => Gen.String[0, 300].SampleAsync(
        async text => (await Cursors.OpenAsync(Here, text, BaseUrl, CancellationToken.None)).ShouldBeNull(),
        iter: 300,
        threads: 1);

    [Theory]
    [InlineData("there", "app", "Patient")]
    [InlineData("here", "other", "Patient")]
    [InlineData("here", "app", "Observation")]
    [InlineData(null, "app", "Patient")]
    public async Task A_cursor_opens_only_for_its_tenant_app_and_type(string? tenant, string app, string type)
    {
        var cursor = await Cursors.SealAsync(Here, At(BaseUrl + "?page=2", 2), BaseUrl, CancellationToken.None);
        var there = new CursorScope(tenant is null ? null : TenantId.Parse(tenant, null), AppId.Parse(app, null), type);
        (await Cursors.OpenAsync(there, cursor, BaseUrl, CancellationToken.None)).ShouldBeNull();
        (await Cursors.OpenAsync(Here, cursor, BaseUrl, CancellationToken.None)).ShouldNotBeNull();
    }

    [Theory]
    [InlineData(20)]
    [InlineData(2_000)]
    public async Task A_cursor_expires(int linkLength)
    {
        using var system = cluster.Silo(0).GetRequiredService<CallerTickets>().EnterSystem();
        var cursor = await Cursors.SealAsync(Here, At(BaseUrl + "?" + new string('x', linkLength), 2), BaseUrl, CancellationToken.None);
        Time.Advance(Cursors.Lifetime - TimeSpan.FromSeconds(2));
        (await Cursors.OpenAsync(Here, cursor, BaseUrl, CancellationToken.None)).ShouldNotBeNull();
        Time.Advance(TimeSpan.FromSeconds(2));
        (await Cursors.OpenAsync(Here, cursor, BaseUrl, CancellationToken.None)).ShouldBeNull();
    }

    private static SearchPosition At(string link, int page) => new(new Dictionary<string, string> { ["here"] = link }, page);
}

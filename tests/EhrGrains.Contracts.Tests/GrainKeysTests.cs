using CsCheck;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Tests;

public sealed class GrainKeysTests
{
    private static readonly Gen<string> Labels =
        Gen.Select(Gen.Char['a', 'z'], Gen.String[Gen.Char["abcdefghijklmnopqrstuvwxyz0123456789-"], 0, 62], (first, rest) => first + rest);

    [Fact]
    public void The_tenant_of_a_key_is_the_tenant_that_it_was_made_for() => Labels.Sample(label =>
    {
        var tenant = TenantId.Parse(label, null);
        var session = GrainKeys.TokenSession(tenant, GrainKeys.BackendPurpose);
        foreach (var key in new[] { GrainKeys.Tenant(tenant), session })
        {
            GrainKeys.TryGetTenant(key, out var read).ShouldBeTrue();
            read.ShouldBe(tenant);
            GrainKeys.TryGetApp(key, out _).ShouldBeFalse();
        }
    });

    [Fact]
    public void The_key_of_an_app_names_no_tenant() => Labels.Sample(label =>
    {
        var app = AppId.Parse(label, null);
        GrainKeys.TryGetTenant(GrainKeys.App(app), out _).ShouldBeFalse();
        GrainKeys.TryGetApp(GrainKeys.App(app), out var read).ShouldBeTrue();
        read.ShouldBe(app);
    });

    [Fact]
    public void No_other_text_is_a_tenant_id() => Gen.String.Sample(text =>
    {
        var expected = text.Length is >= 1 and <= 63 && text[0] is >= 'a' and <= 'z'
            && text.All(c => c is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-');
        TenantId.TryParse(text, out _).ShouldBe(expected);
    });
}

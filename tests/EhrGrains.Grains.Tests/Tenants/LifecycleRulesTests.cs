using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Tenants;

namespace EhrGrains.Grains.Tests.Tenants;

public sealed class LifecycleRulesTests
{
    // Rows: from. Columns: to draft, sandbox, uat, live, suspended, offboarded, with an active credential.
    [Theory]
    [InlineData(Lifecycle.Draft, ".+++++")]
    [InlineData(Lifecycle.Sandbox, "..++++")]
    [InlineData(Lifecycle.Uat, "...+++")]
    [InlineData(Lifecycle.Live, "....++")]
    [InlineData(Lifecycle.Suspended, "+.+.++")]
    [InlineData(Lifecycle.Offboarded, "......")]
    public void A_tenant_moves_forward_or_stops_and_comes_back_to_where_it_was(Lifecycle from, string allowed)
    {
        foreach (var to in Enum.GetValues<Lifecycle>().Where(to => to != from))
        {
            var problem = LifecycleRules.Check(from, to, suspendedFrom: Lifecycle.Uat, hasActiveCredential: true);
            (problem is null).ShouldBe(allowed[(int)to] == '+', $"{from} to {to}");
        }
    }

    [Fact]
    public void Without_an_active_credential_nothing_opens()
    {
        foreach (var to in Enum.GetValues<Lifecycle>().Skip(1))
        {
            var problem = LifecycleRules.Check(Lifecycle.Draft, to, Lifecycle.Draft, hasActiveCredential: false);
            (problem is null).ShouldBe(to is Lifecycle.Suspended or Lifecycle.Offboarded, to.ToString());
        }
    }

    [Fact]
    public void A_number_is_no_lifecycle() =>
        LifecycleRules.Check(Lifecycle.Draft, (Lifecycle)9, Lifecycle.Draft, hasActiveCredential: true).ShouldNotBeNull();
}

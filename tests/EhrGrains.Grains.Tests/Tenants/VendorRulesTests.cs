using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Tenants;

namespace EhrGrains.Grains.Tests.Tenants;

public sealed class VendorRulesTests
{
    [Theory]
    [InlineData(1250, 60, null, false)]
    [InlineData(20, 1, null, false)]
    [InlineData(21, 1, null, true)]
    [InlineData(21, 1, "limits: { requests: 1500 }", false)]
    [InlineData(20, 1, "limits: { requests: 600 }", true)]
    public void A_production_budget_stays_within_what_the_vendor_publishes_unless_the_site_states_more(int requests, int seconds, string? profile, bool refused)
    {
        var spec = Spec("modmed-ema", profile) with { Budget = new BudgetSpec { Requests = requests, WindowSeconds = seconds } };

        VendorRules.Check(spec).Select(problem => (problem.Code, problem.Path)).ShouldBe(refused ? [("EHR-TEN-070", "budget.requests")] : []);
        VendorRules.Check(spec with { Environment = TenantEnvironment.Sandbox }).ShouldBeEmpty();
    }

    [Fact]
    public void A_way_to_sign_in_that_a_site_states_counts()
    {
        var spec = Spec("modmed", null) with { Connection = Spec("modmed", null).Connection with { AuthMethod = ClientAuthMethod.ClientSecretBasic } };

        VendorRules.Check(spec).ShouldHaveSingleItem().Code.ShouldBe("EHR-TEN-012");
        VendorRules.Check(spec with { Connection = spec.Connection with { Profile = "auth: { methods: [client_secret_basic] }" } }).ShouldBeEmpty();
    }

    private static TenantSpec Spec(string vendor, string? profile) => new()
    {
        Tenant = "st-mary",
        DisplayName = "St Mary",
        Environment = TenantEnvironment.Production,
        TimeZone = "America/Chicago",
        Connection = new ConnectionSpec
        {
            Vendor = vendor,
            BaseUrl = "https://ehr.example/r4",
            ClientId = "c",
            AuthMethod = ClientAuthMethod.ClientSecretPost,
            Profile = profile,
        },
    };
}

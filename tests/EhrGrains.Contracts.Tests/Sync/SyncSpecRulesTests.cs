using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Tests.Sync;

public sealed class SyncSpecRulesTests
{
    [Fact]
    public void What_an_operator_writes_about_copies_is_right() => Problems(new SyncSpec
    {
        Types = ["Patient", "Observation"],
        From = "2020-02-29",
        EnrolOn = ["ADT^A01", "SIU^S12", "ZAD^Z01"],
    }).ShouldBeEmpty();

    [Fact]
    public void Everything_that_is_wrong_with_it_is_named() => Problems(new SyncSpec
    {
        Types = ["Patient", "not a type"],
        FreshnessSeconds = 59,
        CrawlHours = -1,
        AbsencesMax = 11,
        DocumentBytesMax = 16_777_217,
        From = "29.2.2020",
        EnrolOn = ["A01"],
    }).ShouldBe(
        ["sync.types", "sync.freshnessSeconds", "sync.crawlHours", "sync.absencesMax", "sync.documentBytesMax", "sync.from", "sync.enrolOn"], ignoreOrder: true);

    [Theory]
    [InlineData("")]
    [InlineData("ADT")]
    [InlineData("adt^a01")]
    [InlineData("ADT^A01^ADT_A01")]
    [InlineData("ADT^*")]
    public void A_message_is_named_by_its_code_and_trigger_event(string message) =>
        Problems(new SyncSpec { EnrolOn = [message] }).ShouldBe(["sync.enrolOn"]);

    private static IEnumerable<string> Problems(SyncSpec sync) => TenantSpecRules.Validate(new TenantSpec
    {
        Tenant = "north-general",
        DisplayName = "North General Hospital",
        TimeZone = "America/Chicago",
        Connection = new ConnectionSpec { Vendor = "epic", BaseUrl = "https://fhir.north.example/api/FHIR/R4", ClientId = "client-1" },
        Sync = sync,
    }).Select(problem => problem.Path);
}

using System.Net;
using EhrGrains.Testing;

namespace EhrGrains.Silo.Tests;

/// <summary>Flow 2 of the design in a whole silo over real sockets: acknowledged, journalled, processed, forwarded.</summary>
public sealed class FeedTests(FeedSilo silo) : IClassFixture<FeedSilo>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_over_the_plain_port_is_acknowledged_and_forwarded_to_the_receiver_byte_for_byte()
    {
        var message = FeedSilo.Message("NORTH", "P-1");
        var answer = await silo.SendAsync(message, Cancel);
        answer.ShouldNotBeNull().ShouldContain("MSA|AA|P-1");
        (await NextAsync("P-1")).ShouldBe(message);
    }

    [Fact]
    public async Task A_message_over_tls_belongs_to_the_feed_that_names_its_certificate()
    {
        (await silo.SendTlsAsync(FeedSilo.Message("LAB", "T-1"), silo.NorthCertificate, Cancel)).ShouldNotBeNull().ShouldContain("MSA|AA|T-1");
        (await NextAsync("T-1")).ShouldContain("|LAB|");

        var feed = await silo.CallAsync(HttpMethod.Get, "/admin/v1/tenants/feeds-north/feeds/lab", null, Cancel);
        feed.GetProperty("inbound").GetProperty("head").GetInt64().ShouldBeGreaterThanOrEqualTo(1);
    }

    [Fact]
    public async Task A_certificate_of_one_hospital_cannot_write_into_the_feed_of_another()
    {
        (await silo.SendTlsAsync(FeedSilo.Message("SOUTH", "X-0"), null, Cancel)).ShouldNotBeNull().ShouldContain("MSA|AA|X-0");
        var before = await HeadAsync("feeds-south", "adt");

        // North's certificate opens the feeds that name it and no others, whatever MSH-3 and MSH-4 say.
        (await silo.SendTlsAsync(FeedSilo.Message("SOUTH", "X-1"), silo.NorthCertificate, Cancel)).ShouldNotBeNull().ShouldContain("MSA|AR|X-1");
        (await silo.SendTlsAsync(FeedSilo.Message("NORTH", "X-2"), silo.StrangeCertificate, Cancel)).ShouldNotBeNull().ShouldContain("MSA|AR|X-2");

        (await HeadAsync("feeds-south", "adt")).ShouldBe(before);
    }

    [Fact]
    public async Task A_message_of_no_feed_is_refused_and_on_the_audit_trail()
    {
        (await silo.SendAsync(FeedSilo.Message("NOBODY", "N-1"), Cancel)).ShouldNotBeNull().ShouldContain("MSA|AR|N-1");
        (await silo.SendAsync("this is not HL7", Cancel)).ShouldNotBeNull().ShouldContain("MSA|AR|");

        var verified = await silo.CallAsync(HttpMethod.Post, "/admin/v1/tenants/ehrgrains/audit:verify", null, Cancel);
        verified.GetProperty("intact").GetBoolean().ShouldBeTrue();
        verified.GetProperty("rows").GetInt64().ShouldBeGreaterThanOrEqualTo(2);
    }

    [Fact]
    public async Task A_feed_that_is_paused_goes_on_acknowledging_and_processes_when_it_is_resumed()
    {
        await silo.CallAsync(HttpMethod.Post, "/admin/v1/tenants/feeds-south/feeds/adt:pause", new { reason = "upgrade of the hospital" }, Cancel);
        (await silo.SendAsync(FeedSilo.Message("SOUTH", "S-1"), Cancel)).ShouldNotBeNull().ShouldContain("MSA|AA|S-1");

        var feed = await silo.CallAsync(HttpMethod.Get, "/admin/v1/tenants/feeds-south/feeds/adt", null, Cancel);
        feed.GetProperty("inbound").GetProperty("state").GetString().ShouldBe("paused");
        feed.GetProperty("inbound").GetProperty("reason").GetString().ShouldBe("upgrade of the hospital");
        await silo.CallAsync(HttpMethod.Post, "/admin/v1/tenants/feeds-south/feeds/adt:resume", null, Cancel);
        (await silo.CallAsync(HttpMethod.Get, "/admin/v1/tenants/feeds-south/feeds", null, Cancel))[0]
            .GetProperty("inbound").GetProperty("state").GetString().ShouldBe("running");
    }

    [Fact]
    public async Task Feeds_have_a_readiness_of_their_own()
    {
        using var answer = await silo.Http.GetAsync("/health/feeds", Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain("\"journal\":\"Healthy\"");
    }

    private async Task<string> NextAsync(string controlId)
    {
        string message;
        do
        {
            message = await silo.Receiver.NextAsync(Cancel);
        }
        while (Mllp.Field(message, 10) != controlId);
        return message;
    }

    private async Task<long> HeadAsync(string tenant, string feed) =>
        (await silo.CallAsync(HttpMethod.Get, $"/admin/v1/tenants/{tenant}/feeds/{feed}", null, Cancel)).GetProperty("inbound").GetProperty("head").GetInt64();
}

using System.Text;
using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Tests.Peers;
using EhrGrains.Contracts.Query;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace EhrGrains.Connect.Tests.Ehr;

public sealed class EhrAnswerTests
{
    private const string Outcome = """{"resourceType":"OperationOutcome"}""";

    [Theory]
    [InlineData("application/fhir+json")]
    [InlineData("application/fhir+json; charset=utf-8")]
    [InlineData("application/fhir+json;charset=\"UTF-8\";fhirVersion=4.0")]
    [InlineData("application/json")]
    [InlineData("application/json+fhir")]
    [InlineData(null)]
    public async Task Fhir_json_arrives_whole_with_its_version(string? contentType)
    {
        var body = $$"""{"resourceType":"Patient","text":"{{new string('ü', 100_000)}}"}""";
        await using var peer = await Peer.StartAsync(Peer.Says(
            body, contentType: contentType, headers: [("ETag", "W/\"3\""), ("Last-Modified", "Mon, 23 Nov 2026 12:00:00 GMT")]));
        using var rig = new Rig();

        using var answer = await rig.SendAsync(Rig.To(peer));

        answer.Failure.ShouldBe(EhrFailure.None);
        answer.Problem.ShouldBeNull();
        answer.Status.ShouldBe(200);
        Encoding.UTF8.GetString(answer.Body.Span).ShouldBe(body);
        answer.ETag.ShouldBe("W/\"3\"");
        answer.LastModified.ShouldBe(new DateTimeOffset(2026, 11, 23, 12, 0, 0, TimeSpan.Zero));
        answer.ToString().ShouldNotContain("Patient");
    }

    [Fact]
    public async Task A_byte_order_mark_is_no_part_of_the_body()
    {
        await using var peer = await Peer.StartAsync(Peer.Says("\ufeff\n" + Peer.EmptySearchset + "\n"));
        using var rig = new Rig();
        using var answer = await rig.SendAsync(Rig.To(peer));
        answer.Failure.ShouldBe(EhrFailure.None);
        Encoding.UTF8.GetString(answer.Body.Span).Trim().ShouldBe(Peer.EmptySearchset);
    }

    [Fact]
    public async Task The_body_is_wiped_when_the_answer_is_disposed_of()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        var answer = await rig.SendAsync(Rig.To(peer));
        var body = answer.Body;
        answer.Dispose();
        answer.Dispose();
        Should.Throw<ObjectDisposedException>(() => answer.Body);
        body.Span.ContainsAnyExcept((byte)0).ShouldBeFalse();
    }

    [Fact]
    public async Task A_search_in_the_body_is_posted_as_a_form()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        var connection = Rig.To(peer);
        var request = Rig.Search(connection, "Patient/_search") with
        {
            Method = HttpMethod.Post,
            Form =
            [
                new SearchParameter("family", "O'Brien & Söhne"), new SearchParameter("given", "a"), new SearchParameter("given", "b"),
            ],
        };

        using var answer = await rig.SendAsync(connection, request);

        var received = peer.Requests.Single();
        received.Method.ShouldBe("POST");
        received.Target.ShouldBe("/fhir/r4/Patient/_search");
        received.Headers["Content-Type"].ShouldBe("application/x-www-form-urlencoded");
        received.Body.ShouldBe("family=O%27Brien+%26+S%C3%B6hne&given=a&given=b");
        received.Headers["Authorization"].ShouldBe("Bearer token-1");
    }

    [Theory]
    [InlineData("text/html", "<html>sign in</html>")]
    [InlineData("application/fhir+json", "<html>a lie</html>")]
    [InlineData("application/fhir+xml", "<Bundle/>")]
    [InlineData("application/xml", "{}")]
    [InlineData("text/plain", "{}")]
    [InlineData("application/fhir+json; charset=iso-8859-1", "{}")]
    [InlineData("application/fhir+json", "")]
    [InlineData("application/fhir+json", "   ")]
    [InlineData("application/fhir+json", "[]")]
    [InlineData("application/fhir+json", "null")]
    [InlineData(null, "<html></html>")]
    public async Task What_is_no_fhir_json_is_said_to_be_none(string? contentType, string body) =>
        await FailsAsync(Peer.Says(body, contentType: contentType), EhrFailure.NotFhir, "EHR-CON-017");

    [Fact]
    public async Task A_compressed_body_that_was_not_asked_for_is_refused() =>
        await FailsAsync(Peer.Says("{}", headers: ("Content-Encoding", "gzip")), EhrFailure.NotFhir, "EHR-CON-017");

    [Theory]
    [InlineData(204, EhrFailure.UnexpectedStatus, "EHR-CON-016")]
    [InlineData(206, EhrFailure.UnexpectedStatus, "EHR-CON-016")]
    [InlineData(304, EhrFailure.UnexpectedStatus, "EHR-CON-016")]
    [InlineData(301, EhrFailure.Redirected, "EHR-CON-015")]
    [InlineData(403, EhrFailure.Forbidden, "EHR-CON-008")]
    [InlineData(404, EhrFailure.NotFound, "EHR-CON-010")]
    [InlineData(410, EhrFailure.NotFound, "EHR-CON-010")]
    [InlineData(400, EhrFailure.Rejected, "EHR-CON-013")]
    [InlineData(406, EhrFailure.Rejected, "EHR-CON-013")]
    [InlineData(413, EhrFailure.ResultTooLarge, "EHR-CON-022")]
    [InlineData(422, EhrFailure.Rejected, "EHR-CON-013")]
    [InlineData(500, EhrFailure.ServerError, "EHR-CON-014")]
    public async Task Each_status_has_its_failure_and_its_words(int status, EhrFailure failure, string code) =>
        await FailsAsync(Peer.Says(status), failure, failure == EhrFailure.Forbidden ? "EHR-CON-009" : code);

    [Theory]
    [InlineData(400, true)]
    [InlineData(403, true)]
    [InlineData(404, true)]
    [InlineData(422, true)]
    [InlineData(500, true)]
    [InlineData(301, false)]
    public async Task The_hospitals_own_outcome_is_kept_with_the_failure(int status, bool kept)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Outcome, status));
        using var rig = new Rig();
        using var answer = await rig.SendAsync(Rig.To(peer));
        answer.Status.ShouldBe(status);
        Encoding.UTF8.GetString(answer.Body.Span).ShouldBe(kept ? Outcome : "");
    }

    [Fact]
    public async Task An_error_page_is_dropped()
    {
        await using var peer = await Peer.StartAsync(Peer.Says("<html>MRN 778812</html>", 400, "text/html"));
        using var rig = new Rig();
        using var answer = await rig.SendAsync(Rig.To(peer));
        answer.Failure.ShouldBe(EhrFailure.Rejected);
        answer.Body.IsEmpty.ShouldBeTrue();
        answer.Problem!.Message.ShouldNotContain("778812");
        rig.Logged.ShouldNotContain("778812");
    }

    [Theory]
    [InlineData("Content-Length: 1000\r\n\r\n{\"resourceType\":\"Bund")]
    [InlineData("Content-Length: 3\r\n\r\n{")]
    [InlineData("Content-Length: 3\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}")]
    [InlineData("Connection: close\r\n\r\n{\"resourceType\":\"Bund")]
    public async Task A_body_that_is_cut_off_is_not_taken_for_a_whole_one(string headersAndBody)
    {
        await using var peer = new RawPeer("HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n" + headersAndBody);
        using var rig = new Rig();
        using var answer = await rig.SendAsync(Rig.Connection(peer.Url, "127.0.0.1/32"));
        answer.Failure.ShouldBe(EhrFailure.Truncated);
        answer.Problem!.Code.ShouldBe("EHR-CON-018");
        answer.Body.IsEmpty.ShouldBeTrue();
        peer.Requests.ShouldBe(1);
    }

    [Theory]
    [InlineData("220 mail.example ESMTP\r\n", EhrFailure.NotFhir)]
    [InlineData("HTTP/1.1 abc\r\n\r\n", EhrFailure.NotFhir)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: -1\r\n\r\n{}", EhrFailure.None)]
    public async Task A_server_that_speaks_no_http_is_said_to_be_none(string said, EhrFailure failure)
    {
        await using var peer = new RawPeer(said);
        using var rig = new Rig();
        using var answer = await rig.SendAsync(Rig.Connection(peer.Url, "127.0.0.1/32"));
        answer.Failure.ShouldBe(failure);
    }

    [Fact]
    public async Task A_body_that_ends_in_the_middle_of_its_object_is_cut_off() =>
        await FailsAsync(Peer.Says("""{"resourceType":"Bundle","entry":["""), EhrFailure.Truncated, "EHR-CON-018");

    [Theory]
    [InlineData("Content-Length: 1099511627776\r\n\r\n{")]
    [InlineData("Content-Length: 99999999999999999999999999\r\n\r\n{")]
    [InlineData("Connection: close\r\n\r\n{")]
    public async Task A_body_beyond_the_bound_is_not_read(string headersAndBody)
    {
        await using var peer = new RawPeer(
            "HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n" + headersAndBody, endless: new string(' ', 64 * 1024));
        using var rig = new Rig(configure: static o => o.BodyBytesMax = 1024 * 1024);

        using var answer = await rig.SendAsync(Rig.Connection(peer.Url, "127.0.0.1/32"));

        answer.Failure.ShouldBe(EhrFailure.TooLarge);
        answer.Problem!.Code.ShouldBe("EHR-CON-019");
        peer.Sent.ShouldBeLessThan(32 * 1024 * 1024);
    }

    [Fact]
    public async Task A_body_of_exactly_the_bound_is_read_and_one_byte_more_is_not()
    {
        var body = "{" + new string(' ', 2046) + "}";
        await using var peer = await Peer.StartAsync(Peer.Says(body), Peer.Says(body + " "));
        using var rig = new Rig(configure: static o => o.BodyBytesMax = 2048);
        using var exact = await rig.SendAsync(Rig.To(peer));
        using var more = await rig.SendAsync(Rig.To(peer));
        exact.Failure.ShouldBe(EhrFailure.None);
        more.Failure.ShouldBe(EhrFailure.TooLarge);
    }

    [Fact]
    public async Task Headers_without_end_are_not_read() =>
        await FailsAsync(
            Peer.Says("{}", headers: [.. Enumerable.Range(0, 100).Select(static i => ($"X-{i}", new string('a', 1000)))]),
            EhrFailure.TooLarge,
            "EHR-CON-019");

    [Fact]
    public async Task A_body_that_stops_is_given_up_after_the_grace()
    {
        var time = new WatchedTime();
        await using var peer = await Peer.StartAsync(Peer.Stalls("{"));
        using var rig = new Rig(time);

        var sending = rig.SendAsync(Rig.To(peer));
        // One byte has come: a moment more than the grace.
        await time.PassAsync(
            wait => wait > rig.Options.BodyGrace && wait < TimeSpan.FromSeconds(5.1), TestContext.Current.CancellationToken);
        using var answer = await sending;

        answer.Failure.ShouldBe(EhrFailure.TooSlow);
        answer.Problem!.Code.ShouldBe("EHR-CON-020");
        peer.Requests.ShouldHaveSingleItem("a body that has begun is not asked for again");
    }

    [Fact]
    public async Task A_body_that_keeps_its_pace_has_a_deadline_all_the_same()
    {
        var time = new WatchedTime();
        var more = new SemaphoreSlim(0);
        await using var peer = await Peer.StartAsync(async context =>
        {
            context.Response.ContentType = "application/fhir+json";
            var part = Encoding.ASCII.GetBytes("{" + new string(' ', 64 * 1024));
            while (!context.RequestAborted.IsCancellationRequested)
            {
                await context.Response.Body.WriteAsync(part, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
                await more.WaitAsync(context.RequestAborted);
            }
        });
        using var rig = new Rig(time);

        var sending = rig.SendAsync(Rig.To(peer));
        // With 64 kB at hand the pace allows more than a minute; the deadline does not.
        await time.PassAsync(wait => wait == rig.Options.BodyTimeout, TestContext.Current.CancellationToken);
        using var answer = await sending;

        answer.Failure.ShouldBe(EhrFailure.TooSlow);
    }

    [Fact]
    public async Task Each_request_is_measured_with_bounded_labels()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset), Peer.Says(404));
        using var rig = new Rig();
        using var measured = new MetricCollector<double>(rig.Meters, "EhrGrains", "ehrgrains.vendor.request.duration");
        for (var i = 0; i < 2; i++)
        {
            (await rig.SendAsync(Rig.To(peer))).Dispose();
        }

        var measurements = measured.GetMeasurementSnapshot();
        measurements.Select(static m => m.Tags["outcome"]).ShouldBe(["ok", "not_found"]);
        measurements[0].Tags.Keys.Order(StringComparer.Ordinal).ShouldBe(["lane", "op", "outcome", "resource", "vendor"]);
        measurements[0].Tags["lane"].ShouldBe("interactive");
    }

    private static async Task FailsAsync(Func<HttpContext, Task> says, EhrFailure failure, string code)
    {
        await using var peer = await Peer.StartAsync(says);
        using var rig = new Rig();
        var access = new Access(Rig.To(peer));
        using var answer = await rig.SendAsync(Rig.To(peer), access: access);
        answer.Failure.ShouldBe(failure);
        answer.Problem!.Code.ShouldBe(code);
        answer.Problem.Message.Length.ShouldBeGreaterThan(10);
        answer.Body.IsEmpty.ShouldBeTrue();
        peer.Requests.ShouldHaveSingleItem();
        (access.Permits, access.Ended).ShouldBe((1, 1));
        access.Arrived.ShouldBe(answer.Status > 0 ? 1 : 0);
    }
}

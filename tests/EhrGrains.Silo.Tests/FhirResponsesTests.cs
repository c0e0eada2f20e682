using System.Text;
using EhrGrains.Contracts.Query;
using EhrGrains.Grains.Query;
using EhrGrains.Silo.Gateway;
using Microsoft.AspNetCore.Http;

namespace EhrGrains.Silo.Tests;

/// <summary>How a grain's answer becomes an HTTP answer.</summary>
public sealed class FhirResponsesTests
{
    private const string Patient = """{"resourceType":"Patient","id":"p1","name":[{"family":"Muster"}],"birthDate":"1970-13-45","x-vendor":{"a":1}}""";

    [Theory]
    [InlineData("W/\"3\"", 304)]
    [InlineData("\"3\"", 304)]
    [InlineData("W/\"2\", W/\"3\"", 304)]
    [InlineData("*", 304)]
    [InlineData("W/\"2\"", 200)]
    [InlineData("nonsense", 200)]
    [InlineData(null, 200)]
    public async Task A_resource_that_the_client_has_is_not_sent_again(string? ifNoneMatch, int status)
    {
        var (context, body) = Context();
        context.Request.Headers.IfNoneMatch = ifNoneMatch;

        await FhirResponses.WriteAsync(context, FhirAnswer.Of(new FhirResponse { Status = 200, Body = Encoding.UTF8.GetBytes(Patient), ETag = "W/\"3\"" }));

        context.Response.StatusCode.ShouldBe(status);
        context.Response.Headers.ETag.ToString().ShouldBe("W/\"3\"");
        body.Length.ShouldBe(status == 304 ? 0 : Patient.Length);
    }

    [Fact]
    public async Task What_the_grain_says_goes_into_the_headers()
    {
        var (context, body) = Context();
        var at = new DateTimeOffset(2026, 11, 23, 8, 0, 0, TimeSpan.FromHours(1));

        await FhirResponses.WriteAsync(
            context, FhirAnswer.Of(new FhirResponse { Status = 429, Body = Encoding.UTF8.GetBytes(Patient), LastModified = at, RetryAfterSeconds = 17 }));

        context.Response.StatusCode.ShouldBe(429);
        context.Response.ContentType.ShouldBe("application/fhir+json; charset=utf-8");
        context.Response.ContentLength.ShouldBe(Patient.Length);
        context.Response.Headers.LastModified.ToString().ShouldBe("Mon, 23 Nov 2026 07:00:00 GMT");
        context.Response.Headers.RetryAfter.ToString().ShouldBe("17");
        Encoding.UTF8.GetString(body.ToArray()).ShouldBe(Patient, "the bytes of the grain, not made anew");
    }

    [Fact]
    public async Task A_hospitals_mistakes_do_not_stop_the_conversion_to_xml()
    {
        var (context, body) = Context();
        context.Request.Headers.Accept = "application/fhir+xml";

        await FhirResponses.WriteAsync(context, FhirAnswer.Of(new FhirResponse { Status = 200, Body = Encoding.UTF8.GetBytes(Patient) }));

        var xml = Encoding.UTF8.GetString(body.ToArray());
        xml.ShouldContain("<family value=\"Muster\"");
        context.Response.ContentLength.ShouldBe(body.Length);
    }

    private static (HttpContext Context, MemoryStream Body) Context()
    {
        var body = new MemoryStream();
        var context = new DefaultHttpContext();
        context.Response.Body = body;
        return (context, body);
    }
}

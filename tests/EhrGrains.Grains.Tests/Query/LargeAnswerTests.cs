using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Query;
using Microsoft.AspNetCore.Http;

namespace EhrGrains.Grains.Tests.Query;

/// <summary>Answers near and over the bounds, through an Orleans client: each is there in full, or is refused in words.</summary>
public sealed class LargeAnswerTests(QueryCluster cluster) : IClassFixture<QueryCluster>
{
    private const int Megabyte = 1024 * 1024;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_page_of_24_megabytes_arrives()
    {
        await using var hospital = await AnsweringAsync(24, Megabyte);
        RequestContext.Set(CallContext.AccessToken, await cluster.MintAsync("app"));

        var response = await Client(hospital).SearchAsync(hospital.Search(), Ct);

        response.Status.ShouldBe(200);
        response.Body.Length.ShouldBeGreaterThan(24 * Megabyte);
        FhirHospital.Ids(response).Length.ShouldBe(24);
    }

    [Fact]
    public async Task What_is_larger_than_a_hospital_may_answer_is_refused_with_what_to_do()
    {
        await using var hospital = await AnsweringAsync(40, Megabyte);
        RequestContext.Set(CallContext.AccessToken, await cluster.MintAsync("app"));

        Refused(await Client(hospital).SearchAsync(hospital.Search(), Ct), "EHR-CON-019");

        (await Client(hospital).ReadAsync(hospital.Read("p1"), Ct)).Status.ShouldBe(200, "the next one is not harmed");
    }

    [Fact]
    public async Task What_two_hospitals_answer_together_and_no_message_holds_is_refused_with_what_to_do()
    {
        await using var one = await AnsweringAsync(24, Megabyte);
        await using var other = await AnsweringAsync(24, Megabyte);
        await cluster.RegisterAppAsync("both");
        await one.GrantAsync("both", QueryCluster.ReadAndSearchAll);
        await other.GrantAsync("both", QueryCluster.ReadAndSearchAll);
        RequestContext.Set(CallContext.AccessToken, await cluster.MintAsync("both"));

        var everywhere = cluster.Cluster.Client.GetGrain<IFederatedQueryGrain>(Federation.Key);
        Refused(await everywhere.SearchAsync(one.Search() with { GatewayBase = "https://gateway.test/fhir" }, Ct), "EHR-QRY-017");
    }

    private static void Refused(FhirResponse response, string code)
    {
        response.Status.ShouldBe(502);
        FhirHospital.Codes(response).ShouldBe([code]);
        ((string)JsonNode.Parse(response.Body)!["issue"]![0]!["diagnostics"]!).ShouldContain("_count");
    }

    [Fact]
    public void A_permit_that_lapsed_is_not_the_hospitals_fault()
    {
        using var answer = EhrAnswer.Failed(EhrFailure.PermitLapsed);

        var response = EhrRefusals.Of(answer, "search", VendorProfiles.Find("epic")!).ToResource().ToResponse();

        response.Status.ShouldBe(503);
        response.RetryAfterSeconds.ShouldBe(5);
    }

    private IEhrQueryGrain Client(FhirHospital hospital) => cluster.Cluster.Client.GetGrain<IEhrQueryGrain>(GrainKeys.Tenant(hospital.Tenant));

    private Task<FhirHospital> AnsweringAsync(int entries, int bytesEach) => FhirHospital.OpenAsync(cluster, setUp: hospital => hospital.Instead = async (context, _) =>
    {
        if (context.Request.Path.Value!.Contains("/Patient/p", StringComparison.Ordinal))
        {
            return false;
        }

        var name = new string('x', bytesEach);
        context.Response.ContentType = "application/fhir+json";
        var text = new StringBuilder("{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"entry\":[");
        for (var i = 0; i < entries; i++)
        {
            text.Append(i > 0 ? "," : "").Append("{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"").Append(i)
                .Append("\",\"name\":[{\"text\":\"").Append(name).Append("\"}]}}");
        }

        await context.Response.WriteAsync(text.Append("]}").ToString(), context.RequestAborted);
        return true;
    });
}

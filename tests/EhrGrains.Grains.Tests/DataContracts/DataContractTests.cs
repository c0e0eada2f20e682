using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.DataContracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Tests.Sync;

namespace EhrGrains.Grains.Tests.DataContracts;

/// <summary>Contracts held against simulated hospitals, and against what was copied from them.</summary>
public sealed class DataContractTests(SyncHospitals hospitals) : IClassFixture<SyncHospitals>
{
    private const string Contract = """
        contract: laboratory
        atLeast: 0.5
        features:
          trends:
            resources:
              Observation:
                searches: [category=laboratory, category=laboratory&date]
                must: [code where system=loinc, value]
                should: [component.value, note.text]
          people:
            resources:
              Patient: { must: [birthDate, maritalStatus.text atLeast 1] }
              Flag: { need: should, must: [status] }
        """;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Coverage_counts_what_the_records_of_copied_patients_have()
    {
        var tenant = await hospitals.OpenAsync("epic");
        var grain = Grain(tenant);
        using (hospitals.Cluster.EnterAdmin())
        {
            (await Should.ThrowAsync<ProblemException>(() => grain.CoverAsync(Contract, 10, Ct))).Problems[0].Code.ShouldBe("EHR-DCT-004");
        }

        var patients = (await hospitals.PatientsAsync("epic"))[..3];
        await hospitals.Table.EnrolAsync(tenant, [.. patients.Select(id => PatientId.Parse(id, null))], Ct);
        var records = new List<JsonNode>();
        foreach (var patient in patients[..2])
        {
            var status = await hospitals.RunAsync(tenant, patient);
            records.AddRange((await hospitals.RecordAsync(tenant, status.Record!.Value)).Values);
        }

        using var admin = hospitals.Cluster.EnterAdmin();
        var coverage = await grain.CoverAsync(Contract, 10, Ct);

        coverage.Patients.ShouldBe(2);
        JsonNode[] tests = [.. records.Where(r => (string)r["resourceType"]! == "Observation" && r["category"]!.ToJsonString().Contains("\"laboratory\"", StringComparison.Ordinal))];
        tests.Length.ShouldBeGreaterThan(5);
        var trends = coverage.Types[0];
        (trends.Feature, trends.Type, trends.Patients, trends.Resources).ShouldBe(("trends", "Observation", 2, tests.Length));
        trends.Elements.Select(e => (e.Element, e.Present)).ShouldBe(
            [
                ("code where system=loinc", tests.Count(r => r["code"]!.ToJsonString().Contains("\"http://loinc.org\"", StringComparison.Ordinal))),
                ("value", tests.Count(r => r.AsObject().Any(member => member.Key.StartsWith("value", StringComparison.Ordinal)))),
                ("component.value", tests.Count(r => r["component"] is not null)),
                ("note.text", 0),
            ]);
        trends.Elements.ShouldAllBe(e => e.Present + e.DataAbsent + e.Absent == tests.Length);
        trends.IsMet.ShouldBeTrue();
        coverage.Types[1].Elements.Select(e => e.Present).ShouldBe([2, records.Count(r => r["maritalStatus"]?["text"] is not null)]);
        coverage.Types[2].ShouldSatisfyAllConditions(flags => flags.Resources.ShouldBe(0), flags => flags.IsMet.ShouldBeTrue());
        coverage.IsMet.ShouldBe(coverage.Types[1].IsMet);
        var audit = hospitals.Cluster.Grains().GetGrain<IAuditGrain>(GrainKeys.Tenant(tenant));
        (await audit.WhoAsync(patients[0], null, 100, Ct)).ShouldContain(row => row.Action == "contract.coverage" && row.App == "admin");
        (await audit.WhoAsync(patients[2], null, 100, Ct)).ShouldNotContain(row => row.Action == "contract.coverage");
        (await grain.CoverAsync(Contract, 1, Ct)).Patients.ShouldBe(1);
    }

    [Fact]
    public async Task A_site_is_asked_what_it_offers_and_grants()
    {
        var tenant = await hospitals.OpenAsync("oracle-health");
        using var admin = hospitals.Cluster.EnterAdmin();

        var check = await Grain(tenant).CheckAsync(Contract, Ct);

        check.Tenant.ShouldBe(tenant.Value);
        check.Scopes.ShouldContain("system/Observation.rs");
        check.Granted.ShouldNotBeNull().ShouldContain("system/Observation.rs");
        check.Queries.First().Requests[0].ShouldStartWith("Observation?patient={patient}&category=laboratory");
        check.Findings.ShouldNotContain(finding => finding.IsUnmet, string.Join("; ", check.Findings.Select(f => f.Message)));

        var tenants = hospitals.Cluster.Grains().GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(tenant));
        await tenants.ChangeLifecycleAsync(Lifecycle.Suspended, "test", Ct);
        (await Grain(tenant).CheckAsync(Contract, Ct)).ShouldSatisfyAllConditions(
            closed => closed.Granted.ShouldBeNull(), closed => closed.Findings.ShouldContain(finding => finding.Code == "EHR-DCT-025"));
        await tenants.ChangeLifecycleAsync(Lifecycle.Sandbox, "test", Ct);
    }

    [Fact]
    public async Task What_is_no_contract_and_who_is_no_tenant_are_refused()
    {
        using var admin = hospitals.Cluster.EnterAdmin();
        var tenant = await hospitals.OpenAsync("oracle-health");
        (await Should.ThrowAsync<ProblemException>(() => Grain(tenant).CheckAsync("contract: x\nfeatures: {}", Ct))).Kind.ShouldBe(ProblemKind.Invalid);
        (await Should.ThrowAsync<ProblemException>(() => Grain(tenant).CoverAsync(Contract, 0, Ct))).Problems[0].Code.ShouldBe("EHR-DCT-003");
        (await Should.ThrowAsync<ProblemException>(() => Grain(TenantId.Parse("nobody", null)).CheckAsync(Contract, Ct))).Kind.ShouldBe(ProblemKind.NotFound);
    }

    private IDataContractGrain Grain(TenantId tenant) => hospitals.Cluster.Grains().GetGrain<IDataContractGrain>(GrainKeys.Tenant(tenant));
}

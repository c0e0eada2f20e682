using EhrGrains.Connect.DataContracts;
using EhrGrains.Connect.Smart;
using EhrGrains.Contracts;
using EhrGrains.Contracts.DataContracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.DataContracts;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Tenants;
using EhrGrains.Grains.Tokens;
using Orleans.Concurrency;

namespace EhrGrains.Grains.DataContracts;

/// <summary>Holds data contracts against a tenant's site: what it says and grants, and what was really copied from it.</summary>
[GrainType("ehr.datacontract"), StatelessWorker]
internal sealed class DataContractGrain(
    TenantSnapshots tenants, SiteStatements statements, TokenHand tokens, CoverageRun coverage, GrainMetrics metrics) : Grain, IDataContractGrain
{
    private const int PatientsMax = 1_000;

    private TenantId Tenant => TenantId.TryParse(this.GetPrimaryKeyString(), out var tenant) ? tenant : throw NoTenant();

    public async Task<ContractCheck> CheckAsync(string contract, CancellationToken cancellationToken)
    {
        var wanted = Read(contract);
        var snapshot = await tenants.GetNowAsync(Tenant, cancellationToken) ?? throw NoTenant();
        var profile = VendorProfiles.For(snapshot) ?? throw new ProblemException(
            ProblemKind.Unavailable, "EHR-QRY-009", "connection.vendor", "This silo does not know the tenant's vendor profile; it may be older than the others.");
        var plan = ContractPlanner.Plan(wanted, snapshot.Spec, profile);
        var findings = new List<ContractFinding>(plan.Findings);
        findings.AddRange(ContractSite.CompareGrants(wanted, profile, snapshot.Grants));
        if (snapshot.Lifecycle is not (Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live))
        {
            findings.Add(new("EHR-DCT-025", false, "", "lifecycle", "The tenant is not open: the site was not asked what it offers and grants. Promote it first."));
            return Judged(plan with { Findings = ContractPlanner.InOrder(findings) });
        }

        var answer = await statements.ReadAsync(Tenant, snapshot.Spec.Connection, cancellationToken);
        findings.AddRange(answer.Statement is { } statement
            ? ContractSite.Compare(wanted, profile, statement)
            : [new("EHR-DCT-026", false, "", "metadata", answer.Failure!.Message)]);
        var token = await tokens.GetAsync(Tenant, 0, cancellationToken);
        var granted = token.Token?.Scope.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        findings.AddRange(granted is not null
            ? ContractSite.CompareScopes(wanted, profile, snapshot.Spec.Connection, granted)
            : [new("EHR-DCT-027", true, "", "token", $"The site gave no token: {token.Failure!.Message} [{token.Failure.Code}]")]);
        return Judged(plan with { Granted = granted, Findings = ContractPlanner.InOrder(findings) });
    }

    public async Task<ContractCoverage> CoverAsync(string contract, int patientsMax, CancellationToken cancellationToken)
    {
        if (patientsMax is < 1 or > PatientsMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-DCT-003", "patientsMax", $"Look at 1 to {PatientsMax} patients.");
        }

        var wanted = Read(contract);
        _ = await tenants.GetNowAsync(Tenant, cancellationToken) ?? throw NoTenant();
        var covered = await coverage.RunAsync(Tenant, wanted, patientsMax, cancellationToken);
        metrics.ContractJudged("copies", covered.IsMet);
        return covered;
    }

    private ContractCheck Judged(ContractCheck check)
    {
        metrics.ContractJudged("site", check.IsMet);
        return check;
    }

    private static DataContract Read(string contract) =>
        contract is not null ? DataContractReader.Read(contract) : throw new ProblemException(ProblemKind.Invalid, "EHR-DCT-002", "", "There is no contract.");

    private static ProblemException NoTenant() => new(ProblemKind.NotFound, "EHR-TEN-100", "tenant", "There is no such tenant.");
}

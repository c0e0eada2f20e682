using EhrGrains.Contracts;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Audit;
using Orleans.Concurrency;

namespace EhrGrains.Grains.Audit;

/// <summary>Asks the audit trail of one tenant, or of the cluster itself.</summary>
[GrainType("ehr.audit"), StatelessWorker]
internal sealed class AuditGrain(AuditLog log) : Grain, IAuditGrain
{
    private TenantId Chain => TenantId.TryParse(this.GetPrimaryKeyString(), out var tenant)
        ? tenant
        : throw new ProblemException(ProblemKind.Invalid, "EHR-AUD-002", "tenant", "Name the tenant whose audit trail is asked for.");

    public Task<AuditVerification> VerifyAsync(CancellationToken cancellationToken) => log.VerifyAsync(Chain, cancellationToken);

    public Task<AuditEntry[]> WhoAsync(string patientId, long? before, int countMax, CancellationToken cancellationToken)
    {
        var problems = new List<Problem>();
        if (patientId is not { Length: >= 1 and <= 256 })
        {
            problems.Add(new("EHR-AUD-003", "patient", "Give the EHR's logical id of the patient: 1 to 256 characters."));
        }

        if (countMax is < 1 or > 1_000)
        {
            problems.Add(new("EHR-AUD-004", "countMax", "Ask for 1 to 1,000 rows."));
        }

        return problems.Count == 0
            ? log.WhoAsync(Chain, patientId!, before, countMax, cancellationToken)
            : throw new ProblemException(ProblemKind.Invalid, problems);
    }
}

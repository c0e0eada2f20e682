using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Storage.Populations;
using Orleans.Concurrency;

namespace EhrGrains.Grains.Populations;

/// <summary>Lists a tenant's cohorts.</summary>
[GrainType("ehr.populations"), StatelessWorker]
internal sealed class PopulationsGrain(CohortTable table) : Grain, IPopulationsGrain
{
    public async Task<CohortId[]> ListAsync(CancellationToken cancellationToken) =>
        GrainKeys.TryGetTenant(this.GetPrimaryKeyString(), out var tenant)
            ? [.. await table.ListAsync(tenant, cancellationToken)]
            : throw new ProblemException(ProblemKind.NotFound, "EHR-TEN-100", "tenant", "There is no such tenant.");
}

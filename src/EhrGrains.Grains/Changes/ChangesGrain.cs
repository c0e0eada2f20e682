using EhrGrains.Contracts.Changes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using Orleans.Concurrency;

namespace EhrGrains.Grains.Changes;

/// <summary>The changes of a tenant for Orleans clients. Reentrant: it holds nothing, and spends its time waiting for changes.</summary>
[GrainType("ehr.changes"), StatelessWorker, Reentrant]
internal sealed class ChangesGrain(ChangeReader reader) : Grain, IChangesGrain
{
    public Task<ChangePage> PageAsync(long after, int countMax, TimeSpan wait, CancellationToken cancellationToken) =>
        reader.PageAsync(TenantId.Parse(this.GetPrimaryKeyString(), null), Caller.Current, after, countMax, wait, cancellationToken);
}

using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Tenants;
using Orleans.Concurrency;

namespace EhrGrains.Grains.Tenants;

/// <summary>Lists tenants from the directory table.</summary>
[GrainType("ehr.tenants"), StatelessWorker]
internal sealed class TenantDirectoryGrain(TenantTable table) : Grain, ITenantDirectoryGrain
{
    public Task<TenantListing[]> ListAsync(TenantId? after, int countMax, CancellationToken cancellationToken) =>
        countMax is >= 1 and <= 1_000
            ? table.ListAsync(after, countMax, cancellationToken)
            : throw new ProblemException(ProblemKind.Invalid, "EHR-TEN-080", "countMax", "Ask for 1 to 1,000 tenants.");

    public Task<TenantId[]> ListGrantedAsync(AppId app, CancellationToken cancellationToken) =>
        table.ListGrantedAsync(app, cancellationToken);
}

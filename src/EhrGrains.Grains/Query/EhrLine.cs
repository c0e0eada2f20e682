using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Budgets;
using EhrGrains.Grains.Tokens;

namespace EhrGrains.Grains.Query;

/// <summary>A tenant's EHR as this silo reaches it: each request with a permit of the site budget and the tenant's token. Thread-safe.</summary>
internal sealed class EhrLine(EhrClient ehr, BudgetLeases budgets, TokenHand tokens)
{
    /// <summary>Sends a request in a lane and reads its answer whole.</summary>
    /// <exception cref="BudgetRefusedException">The wait for a permit is too long for the lane.</exception>
    internal Task<EhrAnswer> SendAsync(TenantId tenant, ConnectionSpec connection, EhrRequest request, Lane lane, CancellationToken cancellationToken) =>
        ehr.SendAsync(tenant, connection, request, Access(tenant, lane), cancellationToken);

    /// <summary>Sends a request of somebody who has a say in when it is written.</summary>
    /// <exception cref="BudgetRefusedException">The wait for a permit is too long for the lane.</exception>
    internal Task<EhrAnswer> SendAsync(TenantId tenant, ConnectionSpec connection, EhrRequest request, EhrAccess access, CancellationToken cancellationToken) =>
        ehr.SendAsync(tenant, connection, request, access, cancellationToken);

    /// <summary>What requests of a lane need to be sent.</summary>
    internal EhrAccess Access(TenantId tenant, Lane lane) => new(
        ct => budgets.AcquireAsync(tenant, lane, ct),
        (rejected, ct) => tokens.GetAsync(tenant, rejected, ct),
        (wait, status) => budgets.ThrottledAsync(tenant, wait, status),
        lane);
}

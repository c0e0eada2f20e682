using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.GrainStorage;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Budgets;

/// <summary>Deals a tenant's site budget out to silos. What more is dealt is written first, so that no other activation can deal it again.</summary>
[GrainType("ehr.siteBudget")]
internal sealed partial class SiteBudgetGrain(
    [PersistentState("budget", EhrGrainsStorage.Name)] IPersistentState<BudgetState> stored,
    TenantSnapshots tenants,
    TimeProvider time,
    ILogger<SiteBudgetGrain> log) : Grain, ISiteBudgetGrain
{
    private readonly long startedAt = time.GetTimestamp();
    private BudgetLedger? ledger;

    private TimeSpan Now => time.GetElapsedTime(startedAt);

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        ledger = new BudgetLedger(stored.State, Now, time.GetUtcNow());
        return Task.CompletedTask;
    }

    public async Task<BudgetLease> LeaseAsync(BudgetDemand demand, CancellationToken cancellationToken)
    {
        var spec = await ReadSpecAsync(cancellationToken);
        var lease = Ledger.Lease(spec, demand, Now, time.GetUtcNow());
        await WriteIfNeededAsync();
        return lease;
    }

    public async Task<TimeSpan> ThrottleAsync(TimeSpan? retryAfter, CancellationToken cancellationToken)
    {
        var holdOff = Ledger.Throttle(retryAfter, Now, time.GetUtcNow());
        await WriteIfNeededAsync();
        LogHeldOff(log, this.GetPrimaryKeyString(), holdOff);
        return holdOff;
    }

    public async Task<BudgetDescription> DescribeAsync(CancellationToken cancellationToken) =>
        Ledger.Describe(await ReadSpecAsync(cancellationToken), Now);

    private BudgetLedger Ledger => ledger ?? throw new ProblemException(
        ProblemKind.Unavailable, "EHR-BUD-004", "", "The site budget could not be written and starts again; ask again.");

    private async ValueTask<BudgetSpec> ReadSpecAsync(CancellationToken cancellationToken)
    {
        var tenant = TenantId.Parse(this.GetPrimaryKeyString(), null);
        var snapshot = await tenants.GetAsync(tenant, cancellationToken);
        return snapshot?.Spec.Budget ?? throw new ProblemException(
            ProblemKind.NotFound, "EHR-BUD-003", "", "There is no such tenant, so there is no site budget.");
    }

    // Not cancelled with the caller: what is half written is not known.
    private async Task WriteIfNeededAsync()
    {
        var current = Ledger;
        var now = Now;
        if (!current.MustWrite(now))
        {
            return;
        }

        stored.State = current.State;
        try
        {
            await stored.WriteStateAsync(CancellationToken.None);
        }
        catch
        {
            // Another activation has taken over, or the database is away: this one knows nothing for sure any more.
            ledger = null;
            DeactivateOnIdle();
            throw;
        }

        current.Written(now);
    }

    [LoggerMessage(2100, LogLevel.Information, "Tenant {Tenant} asked for fewer requests; nothing is sent for {HoldOff}.")]
    private static partial void LogHeldOff(ILogger logger, string tenant, TimeSpan holdOff);
}

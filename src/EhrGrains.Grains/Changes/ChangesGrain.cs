using EhrGrains.Contracts;
using EhrGrains.Contracts.Changes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.Changes;
using Orleans.Concurrency;

namespace EhrGrains.Grains.Changes;

/// <summary>Reads changes for apps. Reentrant: it holds nothing, and spends its time waiting for changes.</summary>
[GrainType("ehr.changes"), StatelessWorker, Reentrant]
internal sealed class ChangesGrain(ChangeLog log, ChangeNews news, TenantSnapshots tenants, DisclosureAudit audit, TimeProvider time)
    : Grain, IChangesGrain
{
    private TenantId Tenant => TenantId.Parse(this.GetPrimaryKeyString(), null);

    public async Task<ChangePage> PageAsync(long after, int countMax, TimeSpan wait, CancellationToken cancellationToken)
    {
        Check(after, countMax, wait);
        var caller = Caller.Current ?? throw new ProblemException(ProblemKind.Unauthenticated, "EHR-AUT-001", "", "No access token came with the call.");
        var begin = time.GetTimestamp();
        while (true)
        {
            var mayRead = Admission.MayInclude(caller, await OpenTenantAsync(cancellationToken));
            var next = news.NextAsync(Tenant);
            var read = await log.ReadAsync(Tenant, after, countMax, cancellationToken);
            if (read.IsGone)
            {
                throw ChangeRefusals.Gone();
            }

            after = read.Rows is [.., var last] ? last.Seq : after;
            ChangeRecord[] visible = [.. read.Rows.Where(change => mayRead(change.Type))];
            if (visible.Length > 0)
            {
                await audit.RecordAsync(Tenant, caller.App, "changes", visible.Select(change => change.Patient), visible.Length, cancellationToken);
                return new ChangePage(visible, after);
            }

            var left = wait - time.GetElapsedTime(begin);
            if (read.Rows.Count < countMax && (left <= TimeSpan.Zero || !await IsDoneInTimeAsync(next, left, cancellationToken)))
            {
                return new ChangePage([], after);
            }
        }
    }

    private async Task<TenantSnapshot> OpenTenantAsync(CancellationToken cancellationToken) =>
        await tenants.GetAsync(Tenant, cancellationToken) is { Lifecycle: Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live } open
            ? open
            : throw new ProblemException(ProblemKind.Unavailable, "EHR-QRY-002", "", "The tenant is not open for queries now. Its operator can open it.");

    private async Task<bool> IsDoneInTimeAsync(Task change, TimeSpan left, CancellationToken cancellationToken)
    {
        try
        {
            await change.WaitAsync(left, time, cancellationToken);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private static void Check(long after, int countMax, TimeSpan wait)
    {
        var problems = new List<Problem>();
        if (after < 0)
        {
            problems.Add(new("EHR-CHG-001", "after", "Give the number of a change, or 0 for the beginning."));
        }

        if (countMax is < 1 or > ChangePage.CountMax)
        {
            problems.Add(new("EHR-CHG-002", "limit", $"Ask for 1 to {ChangePage.CountMax} changes."));
        }

        if (wait < TimeSpan.Zero || wait > ChangePage.WaitMax)
        {
            problems.Add(new("EHR-CHG-003", "wait", $"Wait 0 to {ChangePage.WaitMax.TotalSeconds} seconds."));
        }

        if (problems.Count > 0)
        {
            throw new ProblemException(ProblemKind.Invalid, problems);
        }
    }
}

/// <summary>What readers of changes are refused for.</summary>
internal static class ChangeRefusals
{
    internal static ProblemException Gone() => new(
        ProblemKind.Gone, "EHR-CHG-004", "after",
        "Changes that follow this number are no longer kept: they are for 30 days. Read the records anew, then go on from a change of today.");
}

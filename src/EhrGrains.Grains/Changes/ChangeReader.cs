using EhrGrains.Contracts;
using EhrGrains.Contracts.Changes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.Changes;

namespace EhrGrains.Grains.Changes;

/// <summary>
/// Reads changes for apps: for the grain that serves Orleans clients, and for the gateway in the same process, whose waits then end with
/// their connection. The caller has been authenticated; what it may see is checked here. Thread-safe.
/// </summary>
public sealed class ChangeReader
{
    private readonly ChangeLog log;
    private readonly ChangeNews news;
    private readonly TenantSnapshots tenants;
    private readonly DisclosureAudit audit;
    private readonly TimeProvider time;

    internal ChangeReader(ChangeLog log, ChangeNews news, TenantSnapshots tenants, DisclosureAudit audit, TimeProvider time) =>
        (this.log, this.news, this.tenants, this.audit, this.time) = (log, news, tenants, audit, time);

    /// <summary>As <see cref="IChangesGrain.PageAsync"/>.</summary>
    public async Task<ChangePage> PageAsync(
        TenantId tenant, Caller? caller, long after, int countMax, TimeSpan wait, CancellationToken cancellationToken)
    {
        Check(after, countMax, wait);
        var reader = caller ?? throw new ProblemException(ProblemKind.Unauthenticated, "EHR-AUT-001", "", "No access token came with the call.");
        var begin = time.GetTimestamp();
        while (true)
        {
            var mayRead = Admission.MayInclude(reader, await OpenTenantAsync(tenant, reader, cancellationToken));
            var next = news.NextAsync(tenant);
            var read = await log.ReadAsync(tenant, after, countMax, cancellationToken);
            if (read.IsGone)
            {
                throw ChangeRefusals.Gone();
            }

            after = read.Rows is [.., var last] ? last.Seq : after;
            ChangeRecord[] visible = [.. read.Rows.Where(change => mayRead(change.Type))];
            if (visible.Length > 0)
            {
                await audit.RecordAsync(tenant, reader.App, "changes", visible.Select(change => change.Patient), visible.Length, cancellationToken);
                return new ChangePage(visible, after);
            }

            var left = wait - time.GetElapsedTime(begin);
            if (read.Rows.Count < countMax && (left <= TimeSpan.Zero || !await IsDoneInTimeAsync(next, left, cancellationToken)))
            {
                return new ChangePage([], after);
            }
        }
    }

    private async Task<TenantSnapshot> OpenTenantAsync(TenantId tenant, Caller reader, CancellationToken cancellationToken)
    {
        var found = await tenants.GetAsync(tenant, cancellationToken);
        if (!IsGranted(found, reader) && !IsGranted(found = await tenants.GetNowAsync(tenant, cancellationToken), reader))
        {
            throw new ProblemException(ProblemKind.NotFound, "EHR-AUT-006", "", "There is no such tenant, or this app has no grant there.");
        }

        return found is { Lifecycle: Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live }
            ? found
            : throw new ProblemException(ProblemKind.Unavailable, "EHR-QRY-002", "", "The tenant is not open for queries now. Its operator can open it.");
    }

    private static bool IsGranted(TenantSnapshot? tenant, Caller reader) =>
        !reader.IsSystem && tenant is { Lifecycle: not Lifecycle.Offboarded } && tenant.Grants.Any(grant => grant.App == reader.App);

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

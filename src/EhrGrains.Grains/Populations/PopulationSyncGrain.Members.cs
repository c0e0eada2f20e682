using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Budgets;
using EhrGrains.Storage.Populations;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Populations;

/// <summary>Who belongs to the cohort: looked up at the EHR, and enrolled.</summary>
internal sealed partial class PopulationSyncGrain
{
    private const int EnrolMax = 1_000;
    private const int LookUpsMax = 40;
    private const int LookUpsAtOnce = 4;
    private static readonly TimeSpan LookUpDelayMin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LookUpDelayMax = TimeSpan.FromHours(6);

    /// <summary>One round; answers whether there is more at once.</summary>
    private async Task<bool> MembersRoundAsync()
    {
        var (spec, now) = (Spec, time.GetUtcNow());
        if (await OpenSnapshotAsync(members.Stopping) is not { } snapshot)
        {
            membersDue = now + ClosedDelay;
            await SleepAsync(members.Stopping);
            return false;
        }

        if (spec.Group is { } group && !(State.RefreshAt > now))
        {
            await RefreshGroupAsync(snapshot, spec, group);
        }

        var waiting = await table.WaitingAsync(Tenant, Cohort, now, EnrolMax, members.Stopping);
        if (waiting.Count > 0)
        {
            await LookUpAsync(snapshot, waiting);
        }

        var next = await table.NextAsync(Tenant, Cohort, members.Stopping);
        var refresh = spec.Group is null ? null : State.RefreshAt;
        membersDue = next is null || refresh < next ? refresh : next;
        await SleepAsync(members.Stopping);
        return next <= time.GetUtcNow();
    }

    private async Task RefreshGroupAsync(TenantSnapshot snapshot, CohortSpec spec, string group)
    {
        var now = time.GetUtcNow();
        try
        {
            var found = await finder.GroupAsync(Tenant, snapshot, group, members.Stopping);
            foreach (var part in (found.Patients ?? []).Select(MemberName.OfId).Chunk(RosterEntry.CountMax))
            {
                await table.NameAsync(Tenant, Cohort, part, now, members.Stopping);
            }

            if (found.Patients is not null)
            {
                await LetGoAsync(now, members.Stopping);
            }

            await SaveAsync(state => state with
            {
                RefreshedAt = found.Problem is null ? now : state.RefreshedAt,
                RefreshAt = now + (found.Problem is null ? TimeSpan.FromSeconds(spec.RefreshSeconds) : TimeSpan.FromMinutes(5)),
                Problem = found.Problem,
            });
            metrics.Looked(found.Problem is null);
        }
        catch (BudgetRefusedException e)
        {
            await SaveAsync(state => state with { RefreshAt = now + e.RetryAfter, Problem = new Problem("EHR-QRY-005", "", e.Message) });
        }
    }

    /// <summary>
    /// All of the Group is known as of a time: who was not in it then, nor the last time that all of it was known, belongs to it no more.
    /// One look alone does not end a copy: a hospital that answers with an empty list once would have all of them begin anew.
    /// </summary>
    private async Task LetGoAsync(DateTimeOffset knownAt, CancellationToken cancellationToken)
    {
        if (State.GroupKnownAt >= knownAt)
        {
            // An export is of the time when it was asked for: more is known by now.
            return;
        }

        if (State.GroupKnownAt is { } before)
        {
            var sync = GrainFactory.GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(Tenant));
            for (var after = ""; await table.GoneAsync(Tenant, Cohort, before, after, EnrolMax, cancellationToken) is [.., var last] patients; after = last.Value)
            {
                LogLeft(log, Tenant, Cohort, await sync.LeaveFoundAsync([.. patients], cancellationToken));
            }

            await table.ForgetGoneAsync(Tenant, Cohort, before, cancellationToken);
        }

        await SaveAsync(state => state with { GroupKnownAt = knownAt });
    }

    // Those named by the EHR's own id need no request; whether they are there their cursor finds out.
    private async Task LookUpAsync(TenantSnapshot snapshot, IReadOnlyList<WaitingMember> waiting)
    {
        var settled = waiting
            .Select(member => MemberName.IdOf(member.Name) is { } id ? Settle(member, new FoundPatient(MemberState.Enrolled, PatientId.Parse(id, null), null)) : null)
            .OfType<SettledMember>().ToList();
        var gate = new Lock();
        await Parallel.ForEachAsync(
            waiting.Where(member => MemberName.IdOf(member.Name) is null).Take(LookUpsMax),
            new ParallelOptions { MaxDegreeOfParallelism = LookUpsAtOnce, CancellationToken = members.Stopping },
            async (member, ct) =>
            {
                var found = await FindAsync(snapshot, member, ct);
                lock (gate)
                {
                    settled.Add(Settle(member, found));
                }
            });
        await EnrolAsync([.. settled.Select(member => member.Patient).OfType<PatientId>()], members.Stopping);
        await table.SettleAsync(Tenant, Cohort, settled, members.Stopping);
        settled.ForEach(member => metrics.LookedUp(member.State));
    }

    private async Task<FoundPatient> FindAsync(TenantSnapshot snapshot, WaitingMember member, CancellationToken cancellationToken)
    {
        var (system, value) = MemberName.IdentifierOf(member.Name);
        try
        {
            return await finder.FindAsync(Tenant, snapshot, system, value, cancellationToken);
        }
        catch (BudgetRefusedException e)
        {
            return new FoundPatient(MemberState.Waiting, null, new Problem("EHR-QRY-005", "", e.Message), e.RetryAfter);
        }
    }

    private SettledMember Settle(WaitingMember member, FoundPatient found)
    {
        var backOff = LookUpDelayMin * Math.Pow(2, Math.Min(member.Tries, 16));
        var delay = found.RetryAfter is { } wait && wait > backOff ? wait : backOff < LookUpDelayMax ? backOff : LookUpDelayMax;
        return new SettledMember(member.Entry, found.State, found.Patient, time.GetUtcNow() + delay, found.Problem?.Code);
    }

    private async Task EnrolAsync(IReadOnlyList<PatientId> patients, CancellationToken cancellationToken)
    {
        var sync = GrainFactory.GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(Tenant));
        foreach (var part in patients.Chunk(EnrolMax))
        {
            LogEnrolled(log, Tenant, Cohort, await sync.EnrolFoundAsync(part, cancellationToken));
        }
    }

    [LoggerMessage(3312, LogLevel.Information, "{Count} patients of cohort {Tenant}/{Cohort} are in its Group no more and are copied no longer; their records stay.")]
    private static partial void LogLeft(ILogger logger, TenantId tenant, CohortId cohort, int count);

    [LoggerMessage(3311, LogLevel.Information, "Cohort {Tenant}/{Cohort} enrolled {Count} patients who were not.")]
    private static partial void LogEnrolled(ILogger logger, TenantId tenant, CohortId cohort, int count);
}

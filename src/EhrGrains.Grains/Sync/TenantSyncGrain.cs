using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.Sync;
using Orleans.Concurrency;

namespace EhrGrains.Grains.Sync;

/// <summary>Enrols patients and says how their copies stand, from the tables.</summary>
[GrainType("ehr.sync.tenant"), StatelessWorker]
internal sealed class TenantSyncGrain(
    SyncTable table, SyncReports reports, TenantSnapshots tenants, CommandAudit audit, CallerTickets tickets, SyncOptions options, SyncMetrics metrics, TimeProvider time)
    : Grain, ITenantSyncGrain
{
    private const int PatientsMax = 1_000;

    private TenantId Tenant => TenantId.TryParse(this.GetPrimaryKeyString(), out var tenant) ? tenant : throw NoTenant();

    public async Task<int> EnrolAsync(PatientId[] patients, CancellationToken cancellationToken)
    {
        await CheckAsync(patients, cancellationToken);
        return await audit.RunAsync(Tenant, "sync.enrol", () => EnrolFoundAsync(patients, cancellationToken), cancellationToken);
    }

    public async Task<int> EnrolFoundAsync(PatientId[] patients, CancellationToken cancellationToken)
    {
        var enrolled = await table.EnrolAsync(Tenant, patients, cancellationToken);
        await WakeAsync(cancellationToken);
        return enrolled;
    }

    public async Task<int> LeaveAsync(PatientId[] patients, CancellationToken cancellationToken)
    {
        await CheckAsync(patients, cancellationToken);
        return await audit.RunAsync(Tenant, "sync.leave", () => LeaveFoundAsync(patients, cancellationToken), cancellationToken);
    }

    public Task<int> LeaveFoundAsync(PatientId[] patients, CancellationToken cancellationToken) => table.LeaveAsync(Tenant, patients, cancellationToken);

    public async Task PauseAsync(CancellationToken cancellationToken)
    {
        await CheckAsync(null, cancellationToken);
        await audit.RunAsync(Tenant, "sync.pause", () => table.PauseAsync(Tenant, isPaused: true, cancellationToken), cancellationToken);
    }

    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        await CheckAsync(null, cancellationToken);
        await audit.RunAsync(Tenant, "sync.resume", () => table.PauseAsync(Tenant, isPaused: false, cancellationToken), cancellationToken);
        await WakeAsync(cancellationToken);
    }

    public async Task RefreshAsync(PatientId[]? patients, bool whole, CancellationToken cancellationToken)
    {
        await CheckAsync(patients, cancellationToken);
        await audit.RunAsync(Tenant, "sync.refresh", () => table.RefreshAsync(Tenant, patients, whole, cancellationToken), cancellationToken);
        await WakeAsync(cancellationToken);
    }

    public async Task HintAsync(PatientId record, string[] types, CancellationToken cancellationToken)
    {
        if (await table.HintAsync(Tenant, [(record, types)], time.GetUtcNow() + options.HintDelay, cancellationToken) > 0)
        {
            metrics.Hinted(1);
            await WakeAsync(cancellationToken);
        }
    }

    public Task<TenantSyncStatus> StatusAsync(CancellationToken cancellationToken) => reports.StatusAsync(Tenant, cancellationToken);

    public async Task<SyncReport> ReportAsync(int countMax, CancellationToken cancellationToken)
    {
        if (countMax is < 0 or > PatientsMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-SYN-015", "countMax", "Ask for 0 to 1,000 patients.");
        }

        var snapshot = await tenants.GetNowAsync(Tenant, cancellationToken) ?? throw NoTenant();
        var profile = VendorProfiles.For(snapshot);
        bool IsWanted(string type) => profile is not null && PatientRun.IsWanted(type, snapshot.Spec.Sync, profile);
        var status = await reports.StatusAsync(Tenant, cancellationToken);
        var incomplete = new List<SyncStatus>();
        foreach (var patient in await reports.IncompleteAsync(Tenant, countMax, cancellationToken))
        {
            if (await table.LoadAsync(Tenant, patient, cancellationToken) is { } stored)
            {
                var patientStatus = PatientSyncCursorGrain.StatusOf(stored);
                incomplete.Add(patientStatus with { Types = [.. patientStatus.Types.Where(type => IsWanted(type.Type))] });
            }
        }

        return new SyncReport
        {
            IsComplete = status.Complete == status.Patients,
            Status = status,

            // What is no longer copied has nothing to be complete in.
            Types = [.. (await reports.TotalsAsync(Tenant, cancellationToken)).Where(totals => IsWanted(totals.Type))],
            Incomplete = [.. incomplete],
        };
    }

    private async Task WakeAsync(CancellationToken cancellationToken)
    {
        using var system = tickets.EnterSystem();
        await GrainFactory.GetGrain<ISyncShardGrain>(GrainKeys.SyncShardOf(Tenant)).WakeAsync(cancellationToken);
    }

    private async Task CheckAsync(PatientId[]? patients, CancellationToken cancellationToken)
    {
        if (patients is { Length: 0 or > PatientsMax })
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-SYN-016", "patients", "Name 1 to 1,000 patients at a time.");
        }

        _ = await tenants.GetNowAsync(Tenant, cancellationToken) ?? throw NoTenant();
    }

    private static ProblemException NoTenant() => new(ProblemKind.NotFound, "EHR-SYN-017", "tenant", "There is no such tenant.");
}

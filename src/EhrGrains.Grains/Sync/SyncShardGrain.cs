using System.Data.Common;
using System.Globalization;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.Sync;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Sync;

/// <summary>
/// Looks for what is due at its tenants and has it done: a few patients of a tenant at one time, each tenant by itself, so that none waits
/// for another. Awake while something is due soon; its reminder wakes it else. Holds nothing that the table does not know, so that one whose
/// silo was killed goes on elsewhere as soon as anybody nudges it, which every silo does.
/// </summary>
[GrainType("ehr.sync.shard")]
internal sealed partial class SyncShardGrain(
    SyncTable table, CallerTickets tickets, SyncOptions options, TimeProvider time, ILogger<SyncShardGrain> log) : Grain, ISyncShardGrain, IRemindable, IDisposable
{
    private const string ReminderName = "due";

    /// <summary>Orleans has none shorter; what is due within it is worth staying awake for.</summary>
    private static readonly TimeSpan ReminderPeriod = TimeSpan.FromMinutes(1);

    private readonly Dictionary<TenantId, HashSet<PatientId>> running = [];
    private readonly CancellationTokenSource stopping = new();
    private IGrainTimer? timer;

    private int Shard { get; set; }

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        Shard = key.StartsWith(GrainKeys.SyncScope + "/", StringComparison.Ordinal)
            && int.TryParse(key.AsSpan(GrainKeys.SyncScope.Length + 1), CultureInfo.InvariantCulture, out var shard) && shard is >= 0 and < GrainKeys.SyncShards
            ? shard
            : throw new ProblemException(ProblemKind.NotFound, "EHR-SYN-014", "", "There is no such shard.");

        // The one before it may have been killed with patients under way.
        StayAwake();
        return Task.CompletedTask;
    }

    // What runs ends where it is, rather than keep a silo that stops waiting for a hospital.
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) => stopping.CancelAsync();

    public void Dispose() => stopping.Dispose();

    public async Task WakeAsync(CancellationToken cancellationToken)
    {
        if (await this.GetReminder(ReminderName, cancellationToken) is null)
        {
            await this.RegisterOrUpdateReminder(ReminderName, ReminderPeriod, ReminderPeriod, cancellationToken);
        }

        StayAwake();
        await LookAsync(cancellationToken);
    }

    public Task NudgeAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task ReceiveReminder(string reminderName, TickStatus status)
    {
        StayAwake();
        await LookAsync(CancellationToken.None);
    }

    private void StayAwake() => timer ??= this.RegisterGrainTimer(LookAsync, options.TickEvery, options.TickEvery);

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        try
        {
            var isNeeded = false;
            foreach (var tenant in await table.TenantsAsync(Shard, cancellationToken))
            {
                isNeeded |= await LookAsync(tenant, cancellationToken);
            }

            if (!isNeeded && running.Count == 0)
            {
                timer?.Dispose();
                timer = null;
            }
        }
        catch (Exception e) when (e is DbException or TimeoutException or IOException)
        {
            LogNotLooked(log, Shard, e.GetType().Name);
        }
    }

    /// <summary>Starts what is due at a tenant, as far as there is room; false when nothing will be due soon.</summary>
    private async Task<bool> LookAsync(TenantId tenant, CancellationToken cancellationToken)
    {
        var busy = running.GetValueOrDefault(tenant) ?? [];
        var room = options.PatientsMax - busy.Count;
        if (room <= 0)
        {
            return true;
        }

        var now = time.GetUtcNow();
        var next = (await table.DueAsync(tenant, options.PatientsMax + busy.Count, cancellationToken)).Where(row => !busy.Contains(row.Patient)).ToArray();
        foreach (var (patient, _) in next.Where(row => row.DueAt <= now).Take(room))
        {
            busy.Add(patient);
            running[tenant] = busy;
            RunAsync(tenant, patient).Ignore();
        }

        return next.Length > 0 && next[0].DueAt <= now + ReminderPeriod;
    }

    // On this grain's turns; the next patient of the tenant follows at once.
    private async Task RunAsync(TenantId tenant, PatientId patient)
    {
        var failed = false;
        try
        {
            var cursor = GrainFactory.GetGrain<IPatientSyncCursorGrain>(GrainKeys.Patient(tenant, patient));
            while (await RunTurnAsync(cursor))
            {
                // It had its turn, and goes on: as many patients run at one time as there is room for, and no more begin meanwhile.
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Its cursors say where it is; another silo goes on.
            return;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            failed = true;
            LogNotRun(log, tenant, e.GetType().Name);
        }

        var busy = running[tenant];
        busy.Remove(patient);
        if (busy.Count == 0)
        {
            running.Remove(tenant);
        }

        if (!failed && timer is not null)
        {
            await LookAgainAsync(tenant);
        }
    }

    // A ticket holds for ten minutes; a long first copy takes hours.
    private async Task<bool> RunTurnAsync(IPatientSyncCursorGrain cursor)
    {
        using var system = tickets.EnterSystem();
        return await cursor.RunAsync(stopping.Token);
    }

    private async Task LookAgainAsync(TenantId tenant)
    {
        try
        {
            await LookAsync(tenant, CancellationToken.None);
        }
        catch (Exception e) when (e is DbException or TimeoutException or IOException)
        {
            LogNotLooked(log, Shard, e.GetType().Name);
        }
    }

    [LoggerMessage(3020, LogLevel.Warning, "Shard {Shard} could not look for what is due ({Reason}); it looks again.")]
    private static partial void LogNotLooked(ILogger logger, int shard, string reason);

    [LoggerMessage(3021, LogLevel.Warning, "A patient's copy at tenant {Tenant} could not be run ({Reason}); it is run again.")]
    private static partial void LogNotRun(ILogger logger, TenantId tenant, string reason);
}

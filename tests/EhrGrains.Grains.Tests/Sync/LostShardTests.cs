using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Grains.Tests.Populations;
using Orleans.Core.Internal;

namespace EhrGrains.Grains.Tests.Sync;

/// <summary>What becomes of copies whose shard is gone with its silo.</summary>
public sealed class LostShardTests(WakefulHospitals hospitals) : IClassFixture<WakefulHospitals>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_due_when_a_shard_is_lost_is_copied_in_seconds_not_at_its_next_reminder()
    {
        var tenant = await hospitals.OpenAsync("veradigm");
        var patient = PatientId.Parse((await hospitals.PatientsAsync("veradigm"))[1], null);
        using var counting = new Counting("ehrgrains.sync.runs");
        using (hospitals.Cluster.EnterAdmin())
        {
            await hospitals.Cluster.Grains().GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(tenant)).EnrolAsync([patient], Ct);
        }

        await counting.UntilAsync(() => hospitals.Table.LoadAsync(tenant, patient, Ct), found => found!.Patient.State == SyncState.Complete);
        using (hospitals.EnterSystem())
        {
            await hospitals.Cluster.Grains().GetGrain<ISyncShardGrain>(GrainKeys.SyncShardOf(tenant)).Cast<IGrainManagementExtension>().DeactivateOnIdle(Ct);
        }

        await hospitals.Table.RefreshAsync(tenant, [patient], isWhole: false, Ct);

        // Its reminder, just made, would wake it only in a minute.
        await counting.UntilAsync(() => hospitals.Table.LoadAsync(tenant, patient, Ct), found => found!.Patient.Hinted.Length == 0).WaitAsync(TimeSpan.FromSeconds(40), Ct);
    }
}

namespace EhrGrains.Grains.Sync;

/// <summary>How copying shares a silo.</summary>
/// <param name="SliceMax">How long a patient is copied before others have their turn.</param>
/// <param name="CheckpointEvery">How often the place is noted where nothing changes; after a crash that much is read again, which changes nothing.</param>
/// <param name="PatientsMax">Patients of a tenant that are copied at one time.</param>
/// <param name="TickEvery">How often a shard looks for what is due while there is some soon.</param>
/// <param name="HintDelay">How long after a hint the EHR is asked: what a message tells it may know only a moment later.</param>
internal sealed record SyncOptions(TimeSpan SliceMax, TimeSpan CheckpointEvery, int PatientsMax, TimeSpan TickEvery, TimeSpan HintDelay)
{
    internal static SyncOptions Default { get; } =
        new(TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(5), 8, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));
}

using EhrGrains.Contracts.Query;
using EhrGrains.Storage.GrainStorage;

namespace EhrGrains.Grains.Query;

/// <summary>
/// Holds one position. A reminder clears it when it has expired, so that what nobody comes back for does not stay, whatever
/// happens to the silo in the meantime.
/// </summary>
[GrainType("ehr.paging")]
internal sealed class PagingGrain(
    [PersistentState("position", EhrGrainsStorage.Name)] IPersistentState<PagingState> stored, TimeProvider time) : Grain, IPagingGrain, IRemindable
{
    private const string Expiry = "expiry";

    // Only the first tick counts; the others would be tries to clear again.
    private static readonly TimeSpan ReminderPeriod = TimeSpan.FromHours(1);

    public async Task SaveAsync(PagingPosition position, CancellationToken cancellationToken)
    {
        // The reminder first: one without a position is harmless, a position without one would stay.
        var left = position.ExpiresAt - time.GetUtcNow();
        await this.RegisterOrUpdateReminder(Expiry, left > TimeSpan.Zero ? left : TimeSpan.Zero, ReminderPeriod, cancellationToken);
        stored.State = new PagingState { Position = position };
        await stored.WriteStateAsync(CancellationToken.None);
    }

    public Task<PagingPosition?> GetAsync(CancellationToken cancellationToken) =>
        Task.FromResult(stored.State.Position is { } position && position.ExpiresAt > time.GetUtcNow() ? position : null);

    public async Task ReceiveReminder(string reminderName, TickStatus status)
    {
        await stored.ClearStateAsync(CancellationToken.None);
        if (await this.GetReminder(Expiry) is { } reminder)
        {
            await this.UnregisterReminder(reminder);
        }

        DeactivateOnIdle();
    }
}

/// <summary>The grain's state.</summary>
[GenerateSerializer, Immutable, Alias("ehr.PagingState")]
internal sealed record PagingState
{
    /// <summary>The position; null before it is saved.</summary>
    [Id(0)]
    public PagingPosition? Position { get; init; }
}

using EhrGrains.Storage.Keys;
using Orleans.Storage;

namespace EhrGrains.Grains.Tenants;

/// <summary>
/// A tenant's stored state. Read here and not by a <c>[PersistentState]</c> facet, because the state of an offboarded tenant
/// cannot be read any more, and its grain must still activate to say so.
/// </summary>
internal sealed class TenantStore(IGrainStorage storage, GrainId grain)
{
    private const string StateName = "tenant";

    private string? etag;
    private bool exists;

    /// <summary>The state as it was written last; null when the tenant's keys were destroyed.</summary>
    internal async Task<TenantState?> ReadAsync()
    {
        var stored = new GrainState<TenantState>(new TenantState());
        try
        {
            await storage.ReadStateAsync(StateName, grain, stored);
        }
        catch (TenantKeyDestroyedException)
        {
            return null;
        }

        (etag, exists) = (stored.ETag, stored.RecordExists);
        return stored.State ?? new TenantState();
    }

    /// <summary>Writes the next state; refused when another activation wrote since the last read or write (I3).</summary>
    internal async Task WriteAsync(TenantState next)
    {
        var stored = new GrainState<TenantState>(next, etag) { RecordExists = exists };
        await storage.WriteStateAsync(StateName, grain, stored);
        (etag, exists) = (stored.ETag, stored.RecordExists);
    }
}

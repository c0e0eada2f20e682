using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Charts;
using EhrGrains.Storage.Records;

namespace EhrGrains.Grains.Records;

/// <summary>
/// A record as one activation holds it. One that is larger than the bound holds the small types and gets the others when they are
/// needed; it then lets go of those that it got before.
/// </summary>
internal sealed class RecordState
{
    private readonly Dictionary<RecordKey, ChartResource> gone = [];
    private readonly HashSet<string> spilled = new(StringComparer.Ordinal);
    private readonly HashSet<string> fetched = new(StringComparer.Ordinal);

    private RecordState(ChartHead head, Chart chart) => (Head, Chart) = (head, chart);

    internal ChartHead Head { get; set; }

    internal Chart Chart { get; }

    /// <summary>Types that are not held for their size, whether or not they have been fetched now.</summary>
    internal IReadOnlyCollection<string> Spilled => spilled;

    /// <summary>Resources that the record had and that are deleted or moved.</summary>
    internal IEnumerable<ChartResource> Gone => gone.Values;

    /// <summary>Loads a record by one range read, or by its small types when it has more than <paramref name="bytesMax"/> bytes.</summary>
    internal static async Task<RecordState> LoadAsync(
        RecordStore store, TenantId tenant, PatientId patient, TimeZoneInfo zone, long bytesMax, CancellationToken cancellationToken)
    {
        var stored = await store.LoadAsync(tenant, patient, bytesMax, cancellationToken);
        var state = new RecordState(stored.Head, new Chart(zone));
        state.Put(stored.Resources);
        if (stored.Head.Bytes > bytesMax)
        {
            var room = bytesMax;
            foreach (var (type, _, bytes) in (await store.CountAsync(tenant, patient, cancellationToken)).OrderBy(type => type.Bytes))
            {
                room -= bytes;
                if (room < 0)
                {
                    state.spilled.Add(type);
                }
                else
                {
                    state.Put(await store.LoadTypeAsync(tenant, patient, type, cancellationToken));
                }
            }
        }

        return state;
    }

    /// <summary>Makes sure that resources of these types are held.</summary>
    internal async Task NeedAsync(
        RecordStore store, TenantId tenant, IEnumerable<string> types, CancellationToken cancellationToken)
    {
        if (spilled.Count == 0)
        {
            return;
        }

        var needed = types.Where(spilled.Contains).ToHashSet(StringComparer.Ordinal);
        foreach (var type in fetched.Where(type => !needed.Contains(type)).ToArray())
        {
            fetched.Remove(type);
            foreach (var entry in Chart.Of(type).ToArray())
            {
                Chart.Remove(type, entry.Id);
            }
        }

        foreach (var type in needed.Where(type => !fetched.Contains(type)).ToArray())
        {
            Put(await store.LoadTypeAsync(tenant, Head.Patient, type, cancellationToken));
            fetched.Add(type);
        }
    }

    /// <summary>The current version of a resource, with or without content; null: there never was one here.</summary>
    internal ChartResource? Find(RecordKey key) =>
        Chart.Find(key.Type, key.Id) is { } entry
            ? new ChartResource(entry.Type, entry.Id, entry.Version, entry.LastUpdated, ChangeKind.Updated, "", entry.Json)
            : gone.GetValueOrDefault(key);

    /// <summary>Takes what is stored.</summary>
    internal void Put(IEnumerable<ChartResource> resources)
    {
        foreach (var resource in resources)
        {
            if (resource.Content.IsEmpty)
            {
                Chart.Remove(resource.Type, resource.Id);
                gone[new RecordKey(resource.Type, resource.Id)] = resource;
            }
            else
            {
                gone.Remove(new RecordKey(resource.Type, resource.Id));
                Chart.Put(new ChartEntry(resource.Type, resource.Id, resource.Version, resource.At, resource.Content));
            }
        }
    }
}

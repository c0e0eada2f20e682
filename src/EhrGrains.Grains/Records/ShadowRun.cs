using System.Text.Json;
using EhrGrains.Contracts.Records;
using EhrGrains.Fhir.V2;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Storage.Journal;

namespace EhrGrains.Grains.Records;

/// <summary>Maps messages by two mappings and counts what differs, by element. Holds no values. Not thread-safe.</summary>
internal sealed class ShadowRun(V2Mapping now, V2Mapping then)
{
    private const int ElementsMax = 1_000;

    private readonly Dictionary<string, (int Added, int Removed, int Changed, string Example)> elements = new(StringComparer.Ordinal);
    private int messages;
    private int differing;
    private int exceptionsNow;
    private int exceptionsThen;

    /// <summary>The mapping as it is.</summary>
    internal V2Mapping Now => now;

    internal void Compare(Hl7Message message, MappingJob job, JournalEntry entry)
    {
        // Which records they are does not matter, but they have to be the same ones both times.
        var (one, other) = (Map(now, message, job, entry), Map(then, message, job, entry));
        messages++;
        exceptionsNow += one.Exceptions.Count;
        exceptionsThen += other.Exceptions.Count;
        var (before, after) = (Facts(one), Facts(other));
        var paths = before.Keys.Union(after.Keys).Where(path => !before.GetValueOrDefault(path, []).SetEquals(after.GetValueOrDefault(path, []))).ToArray();
        differing += paths.Length > 0 ? 1 : 0;
        foreach (var path in paths)
        {
            if (elements.Count < ElementsMax || elements.ContainsKey(path))
            {
                (int Added, int Removed, int Changed, string Example) count = elements.GetValueOrDefault(path, (0, 0, 0, job.SourceOf(entry).ToString()));
                elements[path] = (before.ContainsKey(path), after.ContainsKey(path)) switch
                {
                    (false, true) => count with { Added = count.Added + 1 },
                    (true, false) => count with { Removed = count.Removed + 1 },
                    _ => count with { Changed = count.Changed + 1 },
                };
            }
        }
    }

    internal MappingShadow Result() => new(
        messages,
        differing,
        [
            .. elements.OrderByDescending(element => element.Value.Added + element.Value.Removed + element.Value.Changed)
                .ThenBy(element => element.Key, StringComparer.Ordinal)
                .Select(element => new MappingDifference(
                    element.Key, element.Value.Added, element.Value.Removed, element.Value.Changed, element.Value.Example)),
        ],
        exceptionsNow,
        exceptionsThen);

    private static MappedMessage Map(V2Mapping mapping, Hl7Message message, MappingJob job, JournalEntry entry)
    {
        string[] patients = [.. mapping.ReadPatients(message).Patients.Select((_, i) => $"patient-{i}")];
        return mapping.Map(message, new MappingContext(job.Identity, patients, job.SourceOf(entry).ToString(), entry.ReceivedAt));
    }

    /// <summary>The values of each element, by its path without positions: <c>Patient.name.family</c>.</summary>
    private static Dictionary<string, HashSet<string>> Facts(MappedMessage mapped)
    {
        var facts = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
        foreach (var resource in mapped.Resources)
        {
            using var document = JsonDocument.Parse(resource.Json);
            Add(facts, resource.Type, document.RootElement);
        }

        return facts;
    }

    private static void Add(Dictionary<string, HashSet<string>> facts, string path, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject().Where(member => member.Name != "resourceType"))
                {
                    Add(facts, $"{path}.{member.Name}", member.Value);
                }

                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                {
                    Add(facts, path, item);
                }

                break;
            default:
                if (!facts.TryGetValue(path, out var values))
                {
                    facts.Add(path, values = new HashSet<string>(StringComparer.Ordinal));
                }

                values.Add(value.GetRawText());
                break;
        }
    }
}

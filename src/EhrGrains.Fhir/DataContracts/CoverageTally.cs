using System.Text.Json;
using EhrGrains.Contracts.DataContracts;

namespace EhrGrains.Fhir.DataContracts;

/// <summary>Counts the elements of one need in resources, patient by patient. Holds counts alone. Not thread-safe.</summary>
public sealed class CoverageTally(string feature, ContractResource need)
{
    private readonly int[,] counts = new int[need.Elements.Count, 3];
    private int patients;
    private int resources;

    /// <summary>What is counted.</summary>
    public ContractResource Need { get; } = need;

    /// <summary>Counts what one patient has.</summary>
    /// <param name="ofPatient">The resources of the need's type that its searches find, each once: UTF-8 JSON.</param>
    public void Add(IReadOnlyCollection<ReadOnlyMemory<byte>> ofPatient)
    {
        ArgumentNullException.ThrowIfNull(ofPatient);
        patients += ofPatient.Count > 0 ? 1 : 0;
        resources += ofPatient.Count;
        foreach (var json in ofPatient)
        {
            using var document = JsonDocument.Parse(json);
            for (var i = 0; i < Need.Elements.Count; i++)
            {
                counts[i, (int)Need.Elements[i].In(document.RootElement)]++;
            }
        }
    }

    /// <summary>What was counted.</summary>
    public TypeCoverage Total() => new()
    {
        Feature = feature,
        Type = Need.Type,
        IsMust = Need.IsMust,
        Patients = patients,
        Resources = resources,
        Elements =
        [
            .. Need.Elements.Select((element, i) => new ElementCoverage
            {
                Element = element.Text,
                IsMust = element.IsMust,
                AtLeast = element.AtLeast,
                Present = counts[i, (int)ElementPresence.Present],
                DataAbsent = counts[i, (int)ElementPresence.DataAbsent],
                Absent = counts[i, (int)ElementPresence.Absent],
            }),
        ],
    };
}

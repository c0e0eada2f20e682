using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Records;

namespace EhrGrains.Grains.Query;

/// <summary>Which record a search is about: the one patient that it names, or the one resource, or none in particular.</summary>
/// <param name="Patient">The patient; null: it names none.</param>
/// <param name="Id">The id of the one resource that is searched for; null: it is not by id.</param>
/// <param name="IsSeveral">Whether it names several patients or resources at once.</param>
internal readonly record struct RecordScope(string? Patient, string? Id, bool IsSeveral)
{
    internal static RecordScope Of(FhirSearch search)
    {
        string? patient = null;
        string? id = null;
        foreach (var (name, value) in search.Parameters)
        {
            if (name == "_id")
            {
                id ??= value;
            }
            else if (NamesPatient(name, value, search.GatewayBase))
            {
                patient ??= IdIn(value);
            }
        }

        patient ??= search.Type == "Patient" ? id : null;
        return patient?.Contains(',', StringComparison.Ordinal) == true || (patient is null && id?.Contains(',', StringComparison.Ordinal) == true)
            ? new RecordScope(null, null, IsSeveral: true)
            : new RecordScope(patient, id, IsSeveral: false);
    }

    /// <summary>The parameters with the patient that they name called as the record calls it: it may have been merged, or be known to the EHR by another id.</summary>
    internal static SearchParameter[] In(PatientId record, FhirSearch search) =>
    [
        .. search.Parameters.Select(p => NamesPatient(p.Name, p.Value, search.GatewayBase) ? p with { Value = $"Patient/{record}" }
            : search.Type == "Patient" && p.Name == "_id" ? p with { Value = record.Value }
            : p),
    ];

    private static bool NamesPatient(string name, string value, string gatewayBase) => name switch
    {
        "patient" or "patient:Patient" or "subject:Patient" => true,
        "subject" => value.StartsWith("Patient/", StringComparison.Ordinal) || value.StartsWith($"{gatewayBase}/Patient/", StringComparison.Ordinal)
            || !value.Contains('/', StringComparison.Ordinal),
        _ => false,
    };

    private static string IdIn(string reference) => reference[(reference.LastIndexOf('/') + 1)..];
}

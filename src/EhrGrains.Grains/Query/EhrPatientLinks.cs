using System.Text.Json;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Records;

namespace EhrGrains.Grains.Query;

/// <summary>
/// Which patient record the EHR's FHIR Patient is: the one that HL7 v2 messages have named by an identifier of the same system and
/// value. Found out when the Patient passes, and kept. Thread-safe.
/// </summary>
internal sealed class EhrPatientLinks(PatientIdentities identities)
{
    /// <summary>The record of the EHR's Patient; null: none is known.</summary>
    internal async Task<PatientId?> FindAsync(TenantId tenant, string ehrId, CancellationToken cancellationToken) =>
        (await identities.FindAsync(tenant, [NameOf(ehrId)], cancellationToken))[0]?.Current;

    /// <summary>Links the Patients in normalized resources (one, or entries of a searchset separated by commas) to their records.</summary>
    internal async Task LinkAsync(TenantId tenant, ReadOnlyMemory<byte> found, CancellationToken cancellationToken)
    {
        var patients = Read(found);
        if (patients.Count == 0)
        {
            return;
        }

        var owners = await identities.FindAsync(tenant, [.. patients.SelectMany(patient => patient.Identifiers.Prepend(NameOf(patient.Id)))], cancellationToken);
        var bound = new List<(string, PatientId)>();
        var next = 0;
        foreach (var (id, identifiers) in patients)
        {
            var linked = owners[next] is not null;
            var own = owners.AsSpan(next + 1, identifiers.Length).ToArray().FirstOrDefault(owner => owner is not null);
            next += 1 + identifiers.Length;
            if (!linked && own is { } record && record.Current.Value != id)
            {
                bound.Add((NameOf(id), record.Current));
            }
        }

        await identities.BindAsync(tenant, bound, cancellationToken);
    }

    /// <summary>
    /// The EHR's Patient is copied into a record: the hospital's own numbers of the patient are that record's from now on, unless another
    /// has them. Only such numbers tell patients apart; an insurer's may be a whole family's.
    /// </summary>
    internal async Task AdoptAsync(TenantId tenant, ReadOnlyMemory<byte> patient, PatientId record, CancellationToken cancellationToken)
    {
        using var document = JsonDocument.Parse(patient);
        (string, PatientId)[] numbers = document.RootElement.TryGetProperty("identifier"u8, out var identifiers)
            ? [.. identifiers.EnumerateArray().Where(IsOfHospital).Select(TextOf).OfType<string>().Distinct(StringComparer.Ordinal).Select(text => (text, record))]
            : [];
        await identities.BindAsync(tenant, numbers, cancellationToken);
    }

    // No system of an identifier begins so: they are URIs.
    private static string NameOf(string ehrId) => $"fhir|{ehrId}";

    private static List<(string Id, string[] Identifiers)> Read(ReadOnlyMemory<byte> found)
    {
        byte[] array = [(byte)'[', .. found.Span, (byte)']'];
        using var document = JsonDocument.Parse(array);
        var patients = new List<(string, string[])>();
        foreach (var item in document.RootElement.EnumerateArray())
        {
            var resource = item.TryGetProperty("resource"u8, out var inner) ? inner : item;
            if (resource.GetProperty("resourceType"u8).ValueEquals("Patient"u8) && resource.TryGetProperty("id"u8, out var id)
                && resource.TryGetProperty("identifier"u8, out var identifiers))
            {
                string[] texts = [.. identifiers.EnumerateArray().Select(TextOf).OfType<string>()];
                if (texts.Length > 0)
                {
                    patients.Add((id.GetString()!, texts));
                }
            }
        }

        return patients;
    }

    // HL7 v2-0203.
    private static bool IsOfHospital(JsonElement identifier) =>
        identifier.TryGetProperty("type"u8, out var type) && type.TryGetProperty("coding"u8, out var codings)
            && codings.EnumerateArray().Any(coding => coding.TryGetProperty("code"u8, out var code) && (code.ValueEquals("MR"u8) || code.ValueEquals("PI"u8)));

    // As the matching of messages writes an identifier whose authority's system is known.
    private static string? TextOf(JsonElement identifier) =>
        identifier.TryGetProperty("system"u8, out var system) && identifier.TryGetProperty("value"u8, out var value)
            && system.ValueKind == JsonValueKind.String && value.ValueKind == JsonValueKind.String ? $"{system.GetString()}|{value.GetString()}" : null;
}

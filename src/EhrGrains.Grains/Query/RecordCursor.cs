using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Records;

namespace EhrGrains.Grains.Query;

/// <summary>Where a search over patient records goes on, as the text that a cursor seals in place of an EHR's link.</summary>
/// <param name="Patient">Whose record; null: over the tenant.</param>
/// <param name="From">Where in it.</param>
/// <param name="Total">All matches, as counted on the first page.</param>
/// <param name="Parameters">The search.</param>
internal sealed record RecordCursor(PatientId? Patient, RecordPosition From, int? Total, IReadOnlyList<SearchParameter> Parameters)
{
    // No URL of an EHR begins so.
    private const string Mark = "record:";

    internal string Write() => Mark + string.Join(
        '\n',
        Patient?.Value,
        From.AfterType,
        From.AfterId,
        Total?.ToString(CultureInfo.InvariantCulture),
        string.Join('&', Parameters.Select(p => $"{Uri.EscapeDataString(p.Name)}={Uri.EscapeDataString(p.Value)}")),
        From.Rest is null ? null : string.Join(',', From.Rest));

    internal static bool TryRead(string text, [NotNullWhen(true)] out RecordCursor? cursor)
    {
        cursor = null;
        if (!text.StartsWith(Mark, StringComparison.Ordinal) || text[Mark.Length..].Split('\n') is not [var patient, var type, var id, var total, var query, var rest])
        {
            return false;
        }

        cursor = new RecordCursor(
            patient.Length == 0 ? null : PatientId.Parse(patient, null),
            new RecordPosition(type.Length == 0 ? null : type, id.Length == 0 ? null : id, rest.Length == 0 ? null : rest.Split(',')),
            total.Length == 0 ? null : int.Parse(total, CultureInfo.InvariantCulture),
            [.. query.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(ParameterOf)]);
        return true;
    }

    private static SearchParameter ParameterOf(string pair)
    {
        var equals = pair.IndexOf('=', StringComparison.Ordinal);
        return new SearchParameter(Uri.UnescapeDataString(pair[..equals]), Uri.UnescapeDataString(pair[(equals + 1)..]));
    }
}

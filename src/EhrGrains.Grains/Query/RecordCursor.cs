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
/// <param name="Without">Resources (<c>Type/id</c>) that the EHR has answered already, where both are joined.</param>
internal sealed record RecordCursor(
    PatientId? Patient, RecordPosition From, int? Total, IReadOnlyList<SearchParameter> Parameters, IReadOnlyList<string> Without)
{
    // No URL of an EHR begins so.
    private const string Mark = "record:";

    internal string Write() => Mark + string.Join(
        '\n',
        Patient?.Value,
        From.AfterType,
        From.AfterId,
        Total?.ToString(CultureInfo.InvariantCulture),
        WriteQuery(Parameters),
        From.Rest is null ? null : string.Join(',', From.Rest),
        string.Join(',', Without));

    internal static string WriteQuery(IEnumerable<SearchParameter> parameters) =>
        string.Join('&', parameters.Select(p => $"{Uri.EscapeDataString(p.Name)}={Uri.EscapeDataString(p.Value)}"));

    internal static SearchParameter[] ReadQuery(string query) => [.. query.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(ParameterOf)];

    internal static string[] ReadList(string list) => list.Split(',', StringSplitOptions.RemoveEmptyEntries);

    internal static bool TryRead(string text, [NotNullWhen(true)] out RecordCursor? cursor)
    {
        cursor = null;
        if (!text.StartsWith(Mark, StringComparison.Ordinal)
            || text[Mark.Length..].Split('\n') is not [var patient, var type, var id, var total, var query, var rest, var without])
        {
            return false;
        }

        cursor = new RecordCursor(
            patient.Length == 0 ? null : PatientId.Parse(patient, null),
            new RecordPosition(type.Length == 0 ? null : type, id.Length == 0 ? null : id, rest.Length == 0 ? null : ReadList(rest)),
            total.Length == 0 ? null : int.Parse(total, CultureInfo.InvariantCulture),
            ReadQuery(query),
            ReadList(without));
        return true;
    }

    private static SearchParameter ParameterOf(string pair)
    {
        var equals = pair.IndexOf('=', StringComparison.Ordinal);
        return new SearchParameter(Uri.UnescapeDataString(pair[..equals]), Uri.UnescapeDataString(pair[(equals + 1)..]));
    }
}

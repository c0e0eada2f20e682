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

    // Stands for the record's id where the search names it, and is escaped anywhere else: a cursor that is short enough needs no row in the database.
    private const char Self = '!';

    internal string Write() => Mark + string.Join(
        '\n',
        Patient?.Value,
        From.AfterType,
        From.AfterId,
        Total?.ToString(CultureInfo.InvariantCulture),
        Patient is { } self ? WriteQuery(Parameters).Replace($"={self}", $"={Self}", StringComparison.Ordinal) : WriteQuery(Parameters),
        From.AsOf?.UtcTicks.ToString("x", CultureInfo.InvariantCulture),
        string.Join(',', Without));

    internal static string WriteQuery(IEnumerable<SearchParameter> parameters) =>
        string.Join('&', parameters.Select(p => $"{Uri.EscapeDataString(p.Name)}={Uri.EscapeDataString(p.Value)}"));

    internal static SearchParameter[] ReadQuery(string query) => [.. query.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(ParameterOf)];

    internal static string[] ReadList(string list) => list.Split(',', StringSplitOptions.RemoveEmptyEntries);

    internal static bool TryRead(string text, [NotNullWhen(true)] out RecordCursor? cursor)
    {
        cursor = null;
        if (!text.StartsWith(Mark, StringComparison.Ordinal)
            || text[Mark.Length..].Split('\n') is not [var patient, var type, var id, var total, var query, var asOf, var without])
        {
            return false;
        }

        cursor = new RecordCursor(
            patient.Length == 0 ? null : PatientId.Parse(patient, null),
            new RecordPosition(
                type.Length == 0 ? null : type,
                id.Length == 0 ? null : id,
                asOf.Length == 0 ? null : new DateTimeOffset(long.Parse(asOf, NumberStyles.HexNumber, CultureInfo.InvariantCulture), TimeSpan.Zero)),
            total.Length == 0 ? null : int.Parse(total, CultureInfo.InvariantCulture),
            ReadQuery(query.Replace($"={Self}", $"={patient}", StringComparison.Ordinal)),
            ReadList(without));
        return true;
    }

    private static SearchParameter ParameterOf(string pair)
    {
        var equals = pair.IndexOf('=', StringComparison.Ordinal);
        return new SearchParameter(Uri.UnescapeDataString(pair[..equals]), Uri.UnescapeDataString(pair[(equals + 1)..]));
    }
}

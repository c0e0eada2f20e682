using System.Data.Common;
using System.Globalization;
using System.Text;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Records;

/// <summary>How heads and versions are written into columns and read from them.</summary>
internal static class RecordRows
{
    internal const string HeadColumns = "patient, version, at_us, marks, merged_into, merged_by, resources, bytes";
    internal const string VersionColumns = "type, id, version, at_us, kind, source, content";

    /// <summary>Binds sealed content to its place (AAD); the tenant is bound by its keys.</summary>
    internal static byte[] Place(string patient, string type, string id, long version) =>
        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"record\0{patient}\0{type}\0{id}\0{version}"));

    internal static string Marks(IReadOnlyDictionary<string, long[]> marks) =>
        string.Join(' ', marks.OrderBy(mark => mark.Key, StringComparer.Ordinal).Select(mark => $"{mark.Key}={string.Join(',', mark.Value)}"));

    /// <summary>Reads <see cref="HeadColumns"/>.</summary>
    internal static ChartHead ReadHead(DbDataReader r) => new(
        PatientId.Parse(r.GetString(0), null),
        r.GetInt64(1),
        Microseconds.FromMicroseconds(r.GetInt64(2)),
        ReadMarks(r.GetString(3)),
        r.IsDBNull(4) ? null : PatientId.Parse(r.GetString(4), null),
        r.IsDBNull(5) ? null : r.GetString(5),
        r.GetInt64(6),
        r.GetInt64(7));

    /// <summary>Reads <see cref="VersionColumns"/>; the content is still sealed.</summary>
    internal static ChartResource ReadVersion(DbDataReader r) => new(
        r.GetString(0),
        r.GetString(1),
        (int)r.GetInt64(2),
        Microseconds.FromMicroseconds(r.GetInt64(3)),
        (ChangeKind)r.GetInt64(4),
        r.GetString(5),
        r.IsDBNull(6) ? default : (byte[])r.GetValue(6));

    internal static async ValueTask<ChartResource> OpenAsync(
        KeyRing keys, TenantId tenant, PatientId patient, ChartResource row, CancellationToken cancellationToken) =>
        row.Content.IsEmpty
            ? row
            : row with
            {
                Content = await keys.OpenAsync(
                    tenant.Value, KeyClass.Record, row.Content, Place(patient.Value, row.Type, row.Id, row.Version), cancellationToken),
            };

    private static Dictionary<string, long[]> ReadMarks(string text) => text
        .Split(' ', StringSplitOptions.RemoveEmptyEntries)
        .Select(mark => mark.Split('='))
        .ToDictionary(
            parts => parts[0],
            parts => Array.ConvertAll(parts[1].Split(','), position => long.Parse(position, CultureInfo.InvariantCulture)),
            StringComparer.Ordinal);
}

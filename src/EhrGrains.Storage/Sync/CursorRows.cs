using System.Data.Common;
using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Sync;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Sync;

/// <summary>How cursors are written into columns and read from them.</summary>
internal static class CursorRows
{
    internal const string Columns =
        "type, version, mode, complete, completed_us, watermark_us, said, fetched, stored, unchanged, quarantined, missing, deleted, pages, notes, finished_us";

    /// <summary>How many columns there are.</summary>
    internal const int ColumnCount = 16;

    private const string WriteColumns =
        """
        tenant_id text, patient text, type text, version bigint, mode bigint, complete bigint, completed_us bigint, watermark_us bigint, said bigint, fetched bigint, stored bigint, unchanged bigint, quarantined bigint, missing bigint, deleted bigint, pages bigint, notes text, finished_us bigint, position bytea, known bytea
        """;

    // What is known stays where nothing else is said.
    private const string Overwrite =
        """
        ON CONFLICT (tenant_id, patient, type) DO UPDATE SET version = excluded.version, mode = excluded.mode, complete = excluded.complete,
          completed_us = excluded.completed_us, watermark_us = excluded.watermark_us, said = excluded.said, fetched = excluded.fetched,
          stored = excluded.stored, unchanged = excluded.unchanged, quarantined = excluded.quarantined, missing = excluded.missing,
          deleted = excluded.deleted, pages = excluded.pages, notes = excluded.notes, finished_us = excluded.finished_us, position = excluded.position,
          known = coalesce(excluded.known, sync_cursors.known)
        """;

    /// <summary>Writes the cursors of any number of commits.</summary>
    internal static IEnumerable<Statement> Write(DatabaseKind kind, IReadOnlyList<(string Tenant, CursorAdvance Advance)> advances)
    {
        var cursors = new RowSet(WriteColumns);
        var forgotten = new RowSet("tenant_id text, patient text, type text");
        var seen = new RowSet("tenant_id text, patient text, type text, version bigint, seen bytea");
        foreach (var (tenant, advance) in advances)
        {
            foreach (var row in advance.Rows)
            {
                var (status, counts) = (row.Status, row.Status.Counts);
                cursors.Add(
                    tenant, advance.Patient.Value, status.Type, row.Version, (long)status.Mode, status.IsComplete ? 1L : 0L,
                    status.CompletedAt?.ToMicroseconds(), status.Watermark?.ToMicroseconds(), (long?)counts.Said, (long)counts.Fetched,
                    (long)counts.Stored, (long)counts.Unchanged, (long)counts.Quarantined, (long)counts.Missing, (long)counts.Deleted,
                    (long)counts.Pages, WriteNotes(status), status.FinishedAt?.ToMicroseconds(), row.Position, row.Known);
                if (row.ForgetSeen)
                {
                    forgotten.Add(tenant, advance.Patient.Value, status.Type);
                }

                if (row.Seen is not null)
                {
                    seen.Add(tenant, advance.Patient.Value, status.Type, row.Version, row.Seen);
                }
            }
        }

        return
        [
            .. cursors.InsertInto(kind, "sync_cursors", Overwrite),
            .. forgotten.Statements(
                kind,
                $"""
                DELETE FROM sync_seen s USING {forgotten.Source}
                WHERE s.tenant_id = q.tenant_id COLLATE "C" AND s.patient = q.patient COLLATE "C" AND s.type = q.type COLLATE "C"
                """,
                "DELETE FROM sync_seen WHERE tenant_id = $1 AND patient = $2 AND type = $3"),
            .. seen.InsertInto(kind, "sync_seen"),
        ];
    }

    /// <summary>Reads <see cref="Columns"/>.</summary>
    internal static (SyncTypeStatus Status, long Version) Read(DbDataReader r)
    {
        var notes = r.IsDBNull(14) ? null : JsonSerializer.Deserialize<Notes>(r.GetString(14));
        return (
            new SyncTypeStatus
            {
                Type = r.GetString(0),
                Mode = (SyncMode)r.GetInt64(2),
                IsComplete = r.GetInt64(3) != 0,
                CompletedAt = Time(r, 4),
                Watermark = Time(r, 5),
                Counts = new SyncCounts
                {
                    Said = r.IsDBNull(6) ? null : (int)r.GetInt64(6),
                    Fetched = (int)r.GetInt64(7),
                    Stored = (int)r.GetInt64(8),
                    Unchanged = (int)r.GetInt64(9),
                    Quarantined = (int)r.GetInt64(10),
                    Missing = (int)r.GetInt64(11),
                    Deleted = (int)r.GetInt64(12),
                    Pages = (int)r.GetInt64(13),
                    Reasons = notes?.Reasons ?? [],
                },
                Problem = notes?.Problem,
                FinishedAt = Time(r, 15),
            },
            r.GetInt64(1));
    }

    internal static DateTimeOffset? Time(DbDataReader r, int column) => r.IsDBNull(column) ? null : Microseconds.FromMicroseconds(r.GetInt64(column));

    private static string? WriteNotes(SyncTypeStatus status) =>
        status.Problem is null && status.Counts.Reasons.Count == 0 ? null : JsonSerializer.Serialize(new Notes(status.Counts.Reasons, status.Problem));

    private sealed record Notes(Dictionary<string, int> Reasons, Problem? Problem);
}

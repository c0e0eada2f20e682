namespace EhrGrains.Storage.Databases;

/// <summary>
/// Rows of one shape for one statement. PostgreSQL gets them as one statement over arrays, which it plans once whatever their
/// number; SQLite gets one statement a row, compiled once.
/// </summary>
/// <param name="columns">Their names and PostgreSQL types, as <c>tenant_id text, version bigint, content bytea</c>.</param>
internal sealed class RowSet(string columns)
{
    private readonly (string Name, string Type)[] columns =
        [.. columns.Split(", ").Select(column => column.Split(' ')).Select(parts => (parts[0], parts[1]))];

    private readonly List<object?[]> rows = [];

    internal int Count => rows.Count;

    /// <summary>One value for each column: string, long or byte[].</summary>
    internal void Add(params object?[] values) => rows.Add(values);

    /// <summary>Inserts the rows.</summary>
    /// <param name="kind">Into which database.</param>
    /// <param name="table">The table.</param>
    /// <param name="onConflict">What follows the values; empty: nothing.</param>
    internal IEnumerable<Statement> InsertInto(DatabaseKind kind, string table, string onConflict = "")
    {
        var names = string.Join(", ", columns.Select(c => c.Name));
        return Statements(
            kind,
            $"INSERT INTO {table} ({names}) SELECT {names} FROM {Source} {onConflict}",
            $"INSERT INTO {table} ({names}) VALUES ({string.Join(", ", columns.Select((_, i) => $"${i + 1}"))}) {onConflict}");
    }

    /// <summary>Any statement over the rows.</summary>
    /// <param name="kind">For which database.</param>
    /// <param name="over">For PostgreSQL; <see cref="Source"/> are the rows, as a table q.</param>
    /// <param name="each">For SQLite; <c>$1</c>, <c>$2</c>, … are the columns.</param>
    internal IEnumerable<Statement> Statements(DatabaseKind kind, string over, string each)
    {
        if (rows.Count == 0)
        {
            return [];
        }

        if (kind == DatabaseKind.Sqlite)
        {
            return rows.Select(row => Bind(new Statement(each), row));
        }

        var statement = new Statement(over);
        for (var i = 0; i < columns.Length; i++)
        {
            var column = rows.Select(row => row[i]);
            _ = columns[i].Type switch
            {
                "text" => statement.With(column.Cast<string?>().ToArray()),
                "bigint" => statement.With(column.Cast<long?>().ToArray()),
                _ => statement.With(column.Cast<byte[]?>().ToArray()),
            };
        }

        return [statement];
    }

    /// <summary>The rows as a table q, in PostgreSQL.</summary>
    internal string Source =>
        $"unnest({string.Join(", ", columns.Select((c, i) => $"${i + 1}::{c.Type}[]"))}) q ({string.Join(", ", columns.Select(c => c.Name))})";

    private static Statement Bind(Statement statement, object?[] row)
    {
        foreach (var value in row)
        {
            _ = value switch
            {
                long number => statement.With(number),
                byte[] bytes => statement.With(bytes),
                _ => statement.With((string?)value),
            };
        }

        return statement;
    }
}

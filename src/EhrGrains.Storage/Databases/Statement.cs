using System.Data;
using System.Data.Common;

namespace EhrGrains.Storage.Databases;

/// <summary>
/// One SQL statement and its values. Parameters are positional (<c>$1</c>, <c>$2</c>, …): both databases read them, and Npgsql
/// need not rewrite the text. Each value states its type, so that a null does not make another prepared statement.
/// </summary>
internal sealed class Statement(string sql)
{
    private readonly List<(DbType? Type, object Value)> values = [];

    internal string Sql { get; } = sql;

    internal Statement With(string? value) => Add(DbType.String, value);

    internal Statement With(long? value) => Add(DbType.Int64, value);

    internal Statement With(byte[]? value) => Add(DbType.Binary, value);

    /// <summary>An array, for PostgreSQL.</summary>
    internal Statement With<T>(T[] values) => Add(null, values);

    /// <summary>Puts the values into a command: fills the parameters it has, else adds them.</summary>
    internal void Bind(DbParameterCollection parameters, Func<DbParameter> create, bool named)
    {
        for (var i = 0; i < values.Count; i++)
        {
            if (i == parameters.Count)
            {
                var parameter = create();
                if (values[i].Type is { } type)
                {
                    parameter.DbType = type;
                }

                if (named)
                {
                    parameter.ParameterName = $"${i + 1}";
                }

                parameters.Add(parameter);
            }

            parameters[i].Value = values[i].Value;
        }
    }

    private Statement Add(DbType? type, object? value)
    {
        values.Add((type, value ?? DBNull.Value));
        return this;
    }
}

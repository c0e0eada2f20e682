namespace EhrGrains.Storage.Databases;

/// <summary>Which database product.</summary>
public enum DatabaseKind
{
    /// <summary>One SQLite file: the embedded default, one process.</summary>
    Sqlite = 0,

    /// <summary>PostgreSQL 15 or later: several silos.</summary>
    PostgreSql = 1,
}

using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Storage.Databases;

/// <summary>
/// Whose rows a transaction may see and write (I4). On PostgreSQL it is told to the row-level security policies by
/// transaction-local settings; a setting that outlived its transaction would leak into the next user of a pooled connection.
/// </summary>
internal readonly record struct TenantScope
{
    private TenantScope(string setting, string value) => (Setting, Value) = (setting, value);

    /// <summary>The PostgreSQL setting; null: the tables have no tenant.</summary>
    internal string? Setting { get; }

    internal string? Value { get; }

    /// <summary>Tables that hold no tenant's rows.</summary>
    internal static TenantScope None => default;

    /// <summary>Every tenant's line in the directory, to read only; nothing else.</summary>
    internal static TenantScope Directory => new("app.directory", "on");

    /// <summary>What has expired, whosever it was, to delete it; nothing else.</summary>
    internal static TenantScope Expired => new("app.expired", "on");

    internal static TenantScope Of(TenantId tenant) => new("app.tenant", tenant.Value);

    /// <summary>Exactly these scopes; a scope is a tenant id or begins with '~', and so never holds a comma.</summary>
    internal static TenantScope Of(params IEnumerable<string> scopes) => new("app.tenant", string.Join(',', scopes));
}

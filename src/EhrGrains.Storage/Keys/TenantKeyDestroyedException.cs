namespace EhrGrains.Storage.Keys;

/// <summary>The keys of this scope were destroyed: what was sealed under them can never be read again, by anyone.</summary>
public sealed class TenantKeyDestroyedException(string scope)
    : Exception($"The keys of '{scope}' were destroyed when it was offboarded. Its data cannot be read again; use another tenant id.")
{
    /// <summary>The tenant's id.</summary>
    public string Scope { get; } = scope;
}

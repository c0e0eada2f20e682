using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Scopes;

namespace EhrGrains.Silo.OAuth;

/// <summary>
/// What a token can say at most. An application's token says which FHIR scopes the application asked for; what it may do at a
/// tenant is the part of them that its grant there allows, which is decided per call and not here.
/// </summary>
internal static class GrantableScopes
{
    internal const string Operate = "ehrgrains/operate";
    internal const string Administer = "ehrgrains/administer";
    private const int ScopesMax = 64;

    /// <summary>The requested scopes that the role can use; all that it can use when none is requested (RFC 6749 §3.3).</summary>
    internal static string[] Narrow(AppRole role, IReadOnlyCollection<string> requested)
    {
        if (requested.Count == 0)
        {
            return Default(role);
        }

        return [.. requested.Distinct(StringComparer.Ordinal).Where(scope => CanUse(role, scope)).Take(ScopesMax)];
    }

    /// <summary>What to ask for instead.</summary>
    internal static string Hint(AppRole role) => $"None of the scopes can be given to this client; ask for {string.Join(' ', Default(role))}.";

    private static bool CanUse(AppRole role, string scope) => role switch
    {
        AppRole.Application => SmartScope.TryParse(scope, out _),
        AppRole.Operator => scope == Operate,
        AppRole.Admin => scope is Operate or Administer or CallContext.ReadMessagesScope,
        _ => false,
    };

    // Raw messages are not among them: who wants to read patient data says so.
    private static string[] Default(AppRole role) => role switch
    {
        AppRole.Application => ["system/*.rs"],
        AppRole.Operator => [Operate],
        AppRole.Admin => [Operate, Administer],
        _ => [],
    };
}

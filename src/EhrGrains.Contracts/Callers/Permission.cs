namespace EhrGrains.Contracts.Callers;

/// <summary>What a grain method asks of its caller.</summary>
public enum Permission
{
    /// <summary>Nothing: the answer holds neither PHI nor secrets and is published anyway.</summary>
    Public = 0,

    /// <summary>A grant at the tenant of the grain's key; the scopes are checked by the query itself.</summary>
    Query = 1,

    /// <summary>The role operator or admin.</summary>
    Operate = 2,

    /// <summary>The role admin.</summary>
    Administer = 3,

    /// <summary>Another grain or the gateway of this cluster; never a client.</summary>
    Internal = 4,

    /// <summary>
    /// The role admin and a token with the scope <see cref="CallContext.ReadMessagesScope"/>, which is given only when it is asked for:
    /// the answer holds raw messages.
    /// </summary>
    ReadMessages = 5,
}

/// <summary>
/// States what a grain method asks of its caller. Every method of every grain interface has it; a method without it is refused
/// (default deny), and an architecture test names it.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RequiresAttribute(Permission permission) : Attribute
{
    /// <summary>What is asked.</summary>
    public Permission Permission { get; } = permission;
}

/// <summary>Names in <see cref="Orleans.Runtime.RequestContext"/> and in tokens.</summary>
public static class CallContext
{
    /// <summary>
    /// The caller's access token. It is validated in the silo on every call: that something is in the request context proves
    /// nothing, for any client can put it there.
    /// </summary>
    public const string AccessToken = "ehr.token";

    /// <summary>The scope of a token that may read raw messages of feeds and send such.</summary>
    public const string ReadMessagesScope = "ehrgrains/messages";

    /// <summary>The silo's own signed statement of who the caller is, made after validation and valid within the cluster only.</summary>
    public const string Ticket = "ehr.ticket";
}

using System.ComponentModel.DataAnnotations;

namespace EhrGrains.Grains.Callers;

/// <summary>Whose access tokens are taken.</summary>
public sealed class AccessTokenOptions
{
    /// <summary>The issuer name of the embedded authorization server (<c>iss</c>).</summary>
    public string Issuer { get; set; } = "";

    /// <summary>Who tokens must be for (<c>aud</c>).</summary>
    public string Audience { get; set; } = "";

    /// <summary>
    /// An OpenID Connect issuer whose tokens are taken instead of the embedded server's; null: the embedded one. https, except
    /// on loopback. Apps are registered here all the same: the issuer says who a client is, we say what it may do.
    /// </summary>
    public string? ExternalIssuer { get; set; }

    /// <summary>The claim of the external issuer that names the app; <c>azp</c> is taken where it is absent.</summary>
    public string ClientClaim { get; set; } = "client_id";

    /// <summary>The claim of the external issuer that holds the role: <c>application</c>, <c>operator</c> or <c>admin</c>.</summary>
    public string RoleClaim { get; set; } = "role";

    /// <summary>The claim of the external issuer that holds the scopes, as one text or as a list.</summary>
    public string ScopeClaim { get; set; } = "scope";

    /// <summary>
    /// The <c>typ</c> values taken. RFC 9068 says <c>at+jwt</c>; an external issuer that writes <c>JWT</c> must be listed here,
    /// and then its id tokens are told apart by their audience alone.
    /// </summary>
    public IList<string> TokenTypes { get; } = [];

    /// <summary>The longest lifetime (<c>exp</c> − <c>iat</c>) taken. Default 10 minutes, 24 hours from an external issuer.</summary>
    public TimeSpan? LifetimeMax { get; set; }

    /// <summary>
    /// Days after which the embedded server makes a new signing key. A key is published for a day before it signs and for a day
    /// after its successor began to. 2–3,650. Default 30.
    /// </summary>
    [Range(2, 3_650)]
    public int SigningKeyDays { get; set; } = 30;
}

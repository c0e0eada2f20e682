using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace EhrGrains.Grains.Credentials;

/// <summary>How credentials are rotated. Section <c>EhrGrains:Credentials</c>.</summary>
public sealed class CredentialOptions
{
    /// <summary>
    /// How long the previous credential stays published and the fall-back after a rotation. 1 min – 90 days; default 24 h: the
    /// longest that hospitals are known to cache a JWKS.
    /// </summary>
    [Range(typeof(TimeSpan), "00:01:00", "90.00:00:00")]
    public TimeSpan Overlap { get; set; } = TimeSpan.FromHours(24);

    /// <summary>
    /// How often a new key is tried when the hospital does not know it: hospitals cache our JWKS. 1 – 10; default 6, which with the
    /// default delay goes on for a minute.
    /// </summary>
    [Range(1, 10)]
    public int VerifyAttempts { get; set; } = 6;

    /// <summary>The wait before the second try; each further one is twice as long. 0.1 s – 10 s; default 2 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:00:10")]
    public TimeSpan VerifyDelay { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>The longest wait between two tries. 0.1 s – 60 s; default 30 s: all tries must fit into one command of 5 minutes.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:01:00")]
    public TimeSpan VerifyDelayMax { get; set; } = TimeSpan.FromSeconds(30);
}

[OptionsValidator]
internal sealed partial class CredentialOptionsValidator : IValidateOptions<CredentialOptions>;

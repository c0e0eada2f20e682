namespace EhrGrains.Grains.Webhooks;

/// <summary>Where webhooks may be delivered. Section <c>EhrGrains:Webhooks</c>.</summary>
public sealed class WebhookOptions
{
    /// <summary>
    /// CIDR ranges outside the public internet that receivers may be in: the operator's own network, for example <c>10.20.0.0/16</c>.
    /// Default: none.
    /// </summary>
    public IList<string> PrivateNetworks { get; } = [];

    /// <summary>PEM file of the authorities of receivers' certificates. Default: the public ones.</summary>
    public string? TrustedCertificates { get; set; }
}

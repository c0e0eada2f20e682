namespace EhrGrains.Contracts.Client;

/// <summary>
/// Mutual TLS on silo and gateway ports. All three files are PEM; they are read again when they change, so that certificates
/// are renewed without a restart.
/// </summary>
/// <param name="Certificate">
/// Path of the certificate, intermediates after it. Its subject alternative names hold the cluster's name as a DNS name. Its
/// extended key usages say what it may be: client authentication makes a client, client and server authentication a silo.
/// </param>
/// <param name="Key">Path of its private key.</param>
/// <param name="Authority">Path of the certificates that are trusted as issuers; the machine's own trust store is not looked at.</param>
/// <param name="ClusterName">The name that both sides must have a certificate for: the cluster id.</param>
public sealed record MutualTlsOptions(string Certificate, string Key, string Authority, string ClusterName);

namespace EhrGrains.Connect.Preflight;

/// <summary>What is found on the way to a host, as far as it goes. Holds no address: who needs one asks the resolver.</summary>
public sealed record NetworkFacts
{
    /// <summary>The host and port.</summary>
    public required string Authority { get; init; }

    /// <summary>Addresses of version 4 that the name leads to.</summary>
    public int IPv4 { get; init; }

    /// <summary>Addresses of version 6.</summary>
    public int IPv6 { get; init; }

    /// <summary>Those of both that the tenant may be reached at.</summary>
    public int Allowed { get; init; }

    /// <summary>Those of the allowed that are outside the public internet, in a network that the tenant names.</summary>
    public int Private { get; init; }

    /// <summary>How long the connection took; null: none was opened.</summary>
    public TimeSpan? Connected { get; init; }

    /// <summary>What the certificate and the handshake say; null: there was none.</summary>
    public TlsFacts? Tls { get; init; }
}

/// <summary>What a TLS handshake says of a server.</summary>
public sealed record TlsFacts
{
    /// <summary>Whether the handshake came to its end, with everything as it should be.</summary>
    public bool IsComplete { get; init; }

    /// <summary>The protocol, as <c>Tls13</c>; null: none was agreed on.</summary>
    public string? Protocol { get; init; }

    /// <summary>The protocol above it (ALPN); null: none was agreed on.</summary>
    public string? Application { get; init; }

    /// <summary>Whether the server showed a certificate.</summary>
    public bool HasCertificate { get; init; }

    /// <summary>Whether it is for the host.</summary>
    public bool IsForHost { get; init; }

    /// <summary>What is wrong with the chain to a trusted authority, in the words of X.509; empty: nothing.</summary>
    public IReadOnlyList<string> ChainProblems { get; init; } = [];

    /// <summary>Certificates that the server sent along.</summary>
    public int Sent { get; init; }

    /// <summary>When the first certificate of the chain to end ends.</summary>
    public DateTimeOffset NotAfter { get; init; }

    /// <summary>How long the server's own certificate is good for, from its first to its last day.</summary>
    public TimeSpan Life { get; init; }

    /// <summary>The algorithm of the server's key and its length in bits, for example <c>RSA 2048</c>.</summary>
    public string Key { get; init; } = "";

    /// <summary>Whether key and signature are strong: RSA of 2048 bits, elliptic curves of 256, no SHA-1.</summary>
    public bool IsStrong { get; init; }

    /// <summary>Whether it names where to ask for its revocation (a list, or OCSP).</summary>
    public bool NamesRevocation { get; init; }
}

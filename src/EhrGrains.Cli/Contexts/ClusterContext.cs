using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Cli.Contexts;

/// <summary>
/// A context file: where a cluster is and as which app one talks to it. A silo in embedded mode writes one for its operator,
/// <c>ehrgrains app add</c> one for a new app. It holds a private key or a client secret and prints without them.
/// </summary>
public sealed class ClusterContext
{
    /// <summary>A context file is some 2 kB; an RSA key makes it 4.</summary>
    private const int BytesMax = 64 * 1024;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
    };

    /// <summary>The HTTP gateway, for example <c>http://127.0.0.1:8080</c>. https, except on loopback.</summary>
    public required Uri Url { get; init; }

    /// <summary>The token endpoint when an external issuer gives the tokens; null: <c>/oauth/token</c> at <see cref="Url"/>.</summary>
    public Uri? TokenUrl { get; init; }

    /// <summary>Orleans gateways as <c>host:port</c>, several with commas between.</summary>
    public required string Gateway { get; init; }

    /// <summary>The cluster's id.</summary>
    public required string ClusterId { get; init; }

    /// <summary>The service id.</summary>
    public required string ServiceId { get; init; }

    /// <summary>The app.</summary>
    public required string ClientId { get; init; }

    /// <summary>Its private key (RFC 7517) for private_key_jwt; null: <see cref="ClientSecret"/> is set.</summary>
    public JsonElement? PrivateJwk { get; init; }

    /// <summary>Its client secret; null: <see cref="PrivateJwk"/> is set.</summary>
    public string? ClientSecret { get; init; }

    /// <summary>Mutual TLS with the Orleans gateways; null: plain, which a cluster takes on loopback alone.</summary>
    public ContextTls? Tls { get; init; }

    /// <summary>Reads a context file.</summary>
    /// <exception cref="ProblemException">NotFound or Invalid: there is none, or it is not one.</exception>
    public static ClusterContext Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new ProblemException(
                ProblemKind.NotFound,
                "EHR-CLI-001",
                path,
                "There is no such context file. Start a silo (it writes operator.json into its data directory) or name one with --context or EHRGRAINS_CONTEXT.");
        }

        if (new FileInfo(path).Length > BytesMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-002", path, $"A context file has at most {BytesMax} bytes.");
        }

        try
        {
            using var stream = File.OpenRead(path);
            var context = JsonSerializer.Deserialize<ClusterContext>(stream, Json) ?? throw new JsonException("null");
            context.ThrowIfUnusable(path);
            return context;
        }
        catch (JsonException e)
        {
            // The parser's own message may quote the file, which holds a key.
            throw new ProblemException(
                ProblemKind.Invalid, "EHR-CLI-003", path, $"This is not a context file (line {(e.LineNumber ?? 0) + 1}); docs/cli.md says what one looks like.");
        }
    }

    /// <summary>Writes the context to a new file that only its owner can read.</summary>
    /// <exception cref="ProblemException">Conflict: the file exists; it may hold the only copy of a key.</exception>
    public async Task WriteNewAsync(string path, CancellationToken cancellationToken)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            await using var stream = new FileStream(path, options);
            await JsonSerializer.SerializeAsync(stream, this, Json, cancellationToken);
        }
        catch (IOException) when (File.Exists(path))
        {
            throw new ProblemException(
                ProblemKind.Conflict, "EHR-CLI-004", path, "The file exists and may hold the only copy of a key; name another file or move it away.");
        }
    }

    /// <summary>The same cluster for another app, with a key pair that is made here.</summary>
    /// <returns>The context with the private key, and the public half as a JWKS for the app's registration.</returns>
    public (ClusterContext Context, string JsonWebKeySet) WithNewKey(AppId app)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        var parameters = key.ExportParameters(includePrivateParameters: true);
        var publicJwk = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["kty"] = "EC",
            ["crv"] = "P-384",
            ["x"] = Base64UrlEncoder.Encode(parameters.Q.X),
            ["y"] = Base64UrlEncoder.Encode(parameters.Q.Y),
            ["use"] = "sig",
            ["alg"] = SecurityAlgorithms.EcdsaSha384,
        };
        publicJwk["kid"] = Base64UrlEncoder.Encode(new JsonWebKey(JsonSerializer.Serialize(publicJwk)).ComputeJwkThumbprint());
        var privateJwk = new Dictionary<string, string>(publicJwk, StringComparer.Ordinal) { ["d"] = Base64UrlEncoder.Encode(parameters.D) };
        CryptographicOperations.ZeroMemory(parameters.D);
        var keySet = JsonSerializer.Serialize(new Dictionary<string, object>(StringComparer.Ordinal) { ["keys"] = new[] { publicJwk } });
        return (For(app.Value, JsonSerializer.SerializeToElement(privateJwk), null), keySet);
    }

    /// <summary>The same cluster for another app, with the client secret that its registration gave.</summary>
    public ClusterContext WithSecret(AppId app, SecretText secret) => For(app.Value, null, secret.Reveal());

    /// <summary>The same app at another address: that of <paramref name="place"/>.</summary>
    public ClusterContext At(ClusterContext place) => place.For(ClientId, PrivateJwk, ClientSecret);

    /// <inheritdoc/>
    public override string ToString() => $"{ClientId} at {Url}";

    private ClusterContext For(string clientId, JsonElement? privateJwk, string? clientSecret) => new()
    {
        Url = Url,
        TokenUrl = TokenUrl,
        Gateway = Gateway,
        ClusterId = ClusterId,
        ServiceId = ServiceId,
        ClientId = clientId,
        PrivateJwk = privateJwk,
        ClientSecret = clientSecret,
        Tls = Tls,
    };

    private void ThrowIfUnusable(string path)
    {
        var problems = new List<Problem>();
        foreach (var (name, url) in new[] { ("url", Url), ("tokenUrl", TokenUrl ?? Url) })
        {
            if (!url.IsAbsoluteUri || (url.Scheme != Uri.UriSchemeHttps && !(url.Scheme == Uri.UriSchemeHttp && url.IsLoopback)))
            {
                problems.Add(new Problem("EHR-CLI-005", $"{path}: {name}", "Must be an https URL; http is for loopback alone, for a token goes over it."));
            }
        }

        if (PrivateJwk is null == ClientSecret is null)
        {
            problems.Add(new Problem("EHR-CLI-006", path, "Must have privateJwk or clientSecret, and not both."));
        }

        if (problems.Count > 0)
        {
            throw new ProblemException(ProblemKind.Invalid, problems);
        }
    }
}

/// <summary>The PEM files of mutual TLS.</summary>
/// <param name="Certificate">Path of our certificate.</param>
/// <param name="Key">Path of its private key.</param>
/// <param name="Authority">Path of the certificates that are trusted as issuers.</param>
public sealed record ContextTls(string Certificate, string Key, string Authority);

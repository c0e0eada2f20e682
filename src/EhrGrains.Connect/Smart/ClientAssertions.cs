using System.Security.Cryptography;
using EhrGrains.Contracts.Credentials;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Connect.Smart;

/// <summary>Client assertions (RFC 7523 §3 as profiled by SMART App Launch 2.2, client-confidential-asymmetric).</summary>
internal static class ClientAssertions
{
    private const int JtiBytes = 16;

    // Keys come and go with rotations: the handler's own cache would hold on to private keys that are disposed of.
    private static readonly CryptoProviderFactory NoCache = new() { CacheSignatureProviders = false };
    private static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false };

    /// <summary>
    /// One assertion, good for one request: its <c>jti</c> has 128 random bits and it ends after <paramref name="lifetime"/>.
    /// </summary>
    public static string Create(
        string clientId,
        string audience,
        ClientAuthMethod method,
        string keyId,
        ReadOnlySpan<byte> pkcs8,
        DateTimeOffset now,
        TimeSpan lifetime)
    {
        using var key = ClientKeys.Import(method, pkcs8);
        SecurityKey securityKey = key is ECDsa ec ? new ECDsaSecurityKey(ec) : new RsaSecurityKey((RSA)key);
        securityKey.KeyId = keyId;
        securityKey.CryptoProviderFactory = NoCache;
        return Handler.CreateToken(new SecurityTokenDescriptor
        {
            TokenType = "JWT",
            SigningCredentials = new SigningCredentials(securityKey, ClientKeys.Algorithm(method)) { CryptoProviderFactory = NoCache },
            // No nbf: a hospital whose clock is behind ours would refuse it.
            Claims = new Dictionary<string, object>
            {
                [JwtRegisteredClaimNames.Iss] = clientId,
                [JwtRegisteredClaimNames.Sub] = clientId,
                [JwtRegisteredClaimNames.Aud] = audience,
                [JwtRegisteredClaimNames.Iat] = now.ToUnixTimeSeconds(),
                [JwtRegisteredClaimNames.Exp] = (now + lifetime).ToUnixTimeSeconds(),
                [JwtRegisteredClaimNames.Jti] = Base64UrlEncoder.Encode(RandomNumberGenerator.GetBytes(JtiBytes)),
            },
        });
    }
}

using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EhrGrains.Connect.Smart;
using EhrGrains.Contracts.Credentials;
using Microsoft.IdentityModel.Tokens;

namespace EhrGrains.Connect.Tests.Smart;

public sealed class ClientKeysTests
{
    [Theory]
    [InlineData(ClientAuthMethod.PrivateKeyJwtEs384, "EC", "ES384")]
    [InlineData(ClientAuthMethod.PrivateKeyJwtRs384, "RSA", "RS384")]
    public void The_public_half_is_published_and_nothing_else(ClientAuthMethod method, string kty, string alg)
    {
        var key = ClientKeys.Create(method);
        var jwks = ClientKeys.WriteJwks([ClientKeys.PublicJwk(method, key.KeyId, key.Pkcs8)]);

        using var document = JsonDocument.Parse(jwks);
        var jwk = document.RootElement.GetProperty("keys").EnumerateArray().ShouldHaveSingleItem();
        jwk.GetProperty("kty").GetString().ShouldBe(kty);
        jwk.GetProperty("alg").GetString().ShouldBe(alg);
        jwk.GetProperty("kid").GetString().ShouldBe(key.KeyId);
        foreach (var secret in (string[])["d", "p", "q", "dp", "dq", "qi", "k", "oth"])
        {
            jwk.TryGetProperty(secret, out _).ShouldBeFalse(secret);
        }

        var read = new JsonWebKeySet(Encoding.UTF8.GetString(jwks)).Keys.ShouldHaveSingleItem();
        read.KeySize.ShouldBe(kty == "EC" ? 384 : 3072);
    }

    /// <summary>RFC 7638 §3: SHA-256 over the required members in lexicographic order, computed here by hand.</summary>
    [Fact]
    public void The_key_id_is_the_thumbprint_of_rfc_7638()
    {
        var key = ClientKeys.Create(ClientAuthMethod.PrivateKeyJwtEs384);
        using var ec = ECDsa.Create();
        ec.ImportPkcs8PrivateKey(key.Pkcs8, out _);
        var q = ec.ExportParameters(false).Q;
        var text = $$"""{"crv":"P-384","kty":"EC","x":"{{Base64UrlEncoder.Encode(q.X)}}","y":"{{Base64UrlEncoder.Encode(q.Y)}}"}""";
        key.KeyId.ShouldBe(Base64UrlEncoder.Encode(SHA256.HashData(Encoding.ASCII.GetBytes(text))));
    }

    [Fact]
    public void Two_keys_are_two_keys()
    {
        var a = ClientKeys.Create(ClientAuthMethod.PrivateKeyJwtEs384);
        var b = ClientKeys.Create(ClientAuthMethod.PrivateKeyJwtEs384);
        a.KeyId.ShouldNotBe(b.KeyId);
        a.ToString().ShouldNotContain(Convert.ToBase64String(a.Pkcs8));
    }

    [Fact]
    public void A_secret_method_has_no_key() =>
        Should.Throw<ArgumentOutOfRangeException>(() => ClientKeys.Create(ClientAuthMethod.ClientSecretBasic));

    [Fact]
    public void No_keys_are_an_empty_set() => Encoding.UTF8.GetString(ClientKeys.WriteJwks([])).ShouldBe("""{"keys":[]}""");
}

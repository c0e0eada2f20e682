using CsCheck;
using EhrGrains.Fhir.V2;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>Ids: the same for the same thing, and nothing else.</summary>
public sealed class ResourceIdentityTests
{
    [Fact]
    public void An_id_is_26_letters_and_digits_and_stays_what_it_was()
    {
        var identity = new ResourceIdentity("0123456789abcdef"u8);

        identity.IdOf("Encounter", "HOSP|V1").ShouldMatch("^[a-z2-7]{26}$");

        // RFC 4648 base32 of the first 16 bytes of HMAC-SHA-256("0123456789abcdef", "Encounter|HOSP|V1"), by another implementation.
        identity.IdOf("Encounter", "HOSP|V1").ShouldBe("vtxngoxowqxv4mjj6pnsazpogi");
    }

    [Fact]
    public void Type_key_and_tenant_make_the_id() => Gen.Select(Gen.String, Gen.String, Gen.Byte.Array[16], Gen.Byte.Array[16]).Sample(
        (one, other, key, otherKey) =>
        {
            var identity = new ResourceIdentity(key);
            var id = identity.IdOf("Patient", one);
            id.ShouldBe(new ResourceIdentity(key).IdOf("Patient", one));
            (identity.IdOf("Patient", other) == id).ShouldBe(one == other);
            identity.IdOf("Encounter", one).ShouldNotBe(id);
            (new ResourceIdentity(otherKey).IdOf("Patient", one) == id).ShouldBe(key.AsSpan().SequenceEqual(otherKey));
        },
        iter: 500);

    [Fact]
    public async Task Many_threads_make_the_same_ids()
    {
        var identity = ResourceIdentity.Offline;
        var expected = Enumerable.Range(0, 500).Select(number => identity.IdOf("Patient", $"{number}")).ToArray();

        var made = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(
            () => Enumerable.Range(0, 500).Select(number => identity.IdOf("Patient", $"{number}")).ToArray(), TestContext.Current.CancellationToken)));

        made.ShouldAllBe(ids => ids.SequenceEqual(expected));
    }

    [Fact]
    public void A_short_key_is_refused() => Should.Throw<ArgumentOutOfRangeException>(() => new ResourceIdentity("short"u8));
}

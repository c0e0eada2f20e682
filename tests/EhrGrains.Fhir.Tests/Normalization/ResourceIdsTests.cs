using CsCheck;
using EhrGrains.Fhir.Normalization;

namespace EhrGrains.Fhir.Tests.Normalization;

public sealed class ResourceIdsTests
{
    private static readonly Gen<string> AnyId = Gen.OneOf(
        Gen.String[0, 70],
        Gen.String[Gen.Char["abcXYZ019-._/+= é\ud83d\ude00"], 0, 70],
        Gen.String[Gen.Char["eg-.u2"], 0, 20].Select(s => "eg-" + s),
        Gen.String[Gen.Char["ab2"], 40, 60].Select(s => "eg." + s));

    [Theory]
    [InlineData("a-195900.E-12")]
    [InlineData("eq081-VQEgP8drUUqCWzHfw3")]
    [InlineData("1")]
    public void A_legal_id_passes_unchanged(string id)
    {
        ResourceIds.ToLegal(id, out var needsAlias).ShouldBe(id);
        needsAlias.ShouldBeFalse();
    }

    [Theory]
    [InlineData("abc_def", "eg-abc.5Fdef")]
    [InlineData("a.b/c", "eg-a.2Eb.2Fc")]
    [InlineData("é", "eg-.u00E9")]
    [InlineData("eg-1", "eg-eg-1")]
    public void An_illegal_id_is_escaped(string id, string legal) => ResourceIds.ToLegal(id, out _).ShouldBe(legal);

    [Fact]
    public void An_id_too_long_to_escape_gets_an_alias()
    {
        var id = new string('e', 82);

        var alias = ResourceIds.ToLegal(id, out var needsAlias);

        needsAlias.ShouldBeTrue();
        ResourceIds.IsAlias(alias).ShouldBeTrue();
        ResourceIds.TryToOriginal(alias, out _).ShouldBeFalse();
        ResourceIds.ToLegal(id, out _).ShouldBe(alias);
        ResourceIds.ToLegal(id + "e", out _).ShouldNotBe(alias);
    }

    [Fact]
    public void Every_id_becomes_legal_and_comes_back() => AnyId.Sample(id =>
    {
        var legal = ResourceIds.ToLegal(id, out var needsAlias);

        legal.ShouldMatch(@"\A[A-Za-z0-9\-.]{1,64}\z");
        ResourceIds.IsAlias(legal).ShouldBe(needsAlias);
        ResourceIds.TryToOriginal(legal, out var original).ShouldBe(!needsAlias);
        original.ShouldBe(needsAlias ? null : id);
    });

    [Fact]
    public void No_two_ids_share_a_legal_id() => Gen.Select(AnyId, AnyId).Sample((a, b) =>
        (ResourceIds.ToLegal(a, out _) == ResourceIds.ToLegal(b, out _)).ShouldBe(a == b));

    [Fact]
    public void No_two_legal_ids_name_the_same_original() => Gen.String[Gen.Char["eg-.u0F25abA"], 1, 24].Sample(legal =>
    {
        if (ResourceIds.TryToOriginal(legal, out var original))
        {
            ResourceIds.ToLegal(original, out _).ShouldBe(legal);
        }
    });

    [Theory]
    [InlineData("eg-abc")]
    [InlineData("eg-a.5f")]
    [InlineData("eg-a.4")]
    [InlineData("has_underscore")]
    [InlineData("")]
    public void What_we_never_gave_out_has_no_original(string legal) => ResourceIds.TryToOriginal(legal, out _).ShouldBeFalse();
}

using CsCheck;
using EhrGrains.Contracts.Tokens;
using EhrGrains.Grains.Tokens;

namespace EhrGrains.Grains.Tests.Tokens;

public sealed class TokenPolicyTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(3_600, 60)]
    [InlineData(300, 60)]
    [InlineData(299, 59.8)]
    [InlineData(60, 12)]
    [InlineData(1, 0.2)]
    public void The_margin_is_a_minute_or_a_fifth_of_a_short_life(double lifeSeconds, double marginSeconds) =>
        TokenPolicy.Margin(TimeSpan.FromSeconds(lifeSeconds)).ShouldBe(TimeSpan.FromSeconds(marginSeconds));

    [Fact]
    public void A_token_goes_from_fresh_to_due_to_gone_and_never_back() => Gen.Int[1, 86_400].Sample(life =>
    {
        var token = New(7, TimeSpan.FromSeconds(life));
        var moments = Enumerable.Range(0, 101).Select(percent => Start + (TimeSpan.FromSeconds(life) * percent / 100))
            .Append(token.RefreshAt);
        var uses = moments.Order().Select(moment => TokenPolicy.Judge(token, 0, moment)).ToList();
        uses.ShouldBe(uses.Order());
        uses[0].ShouldBe(TokenUse.Fresh);
        uses.ShouldContain(TokenUse.Due);
        uses[^1].ShouldBe(TokenUse.Gone, "the request must arrive before it ends");
    });

    [Fact]
    public void A_token_that_is_not_wanted_is_gone_and_a_later_one_is_not()
    {
        var token = New(7, TimeSpan.FromHours(1));
        TokenPolicy.Judge(token, 7, Start).ShouldBe(TokenUse.Gone);
        TokenPolicy.Judge(token, 6, Start).ShouldBe(TokenUse.Fresh);
        TokenPolicy.Judge(null, 0, Start).ShouldBe(TokenUse.Gone);
    }

    [Fact]
    public void The_back_off_grows_to_a_minute_and_honours_what_was_asked_for_within_reason()
    {
        Enumerable.Range(1, 8).Select(failures => TokenPolicy.BackOff(failures, null, 0).TotalSeconds)
            .ShouldBe([1, 2, 4, 8, 16, 32, 60, 60]);
        TokenPolicy.BackOff(1, TimeSpan.FromSeconds(90), 0).ShouldBe(TimeSpan.FromSeconds(90));
        TokenPolicy.BackOff(1, TimeSpan.FromDays(999), 0).ShouldBe(TimeSpan.FromMinutes(10));
        TokenPolicy.BackOff(1, TimeSpan.FromDays(-1), 0).ShouldBe(TimeSpan.FromSeconds(1));
        TokenPolicy.BackOff(int.MaxValue, null, 1).ShouldBe(TimeSpan.FromSeconds(75));
    }

    private static AccessToken New(long serial, TimeSpan life) =>
        new("value", serial, Start + life - TokenPolicy.Margin(life), Start + life, "", "https://fhir.example:443");
}

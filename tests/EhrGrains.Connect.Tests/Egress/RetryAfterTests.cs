using System.Globalization;
using CsCheck;
using EhrGrains.Connect.Egress;

namespace EhrGrains.Connect.Tests.Egress;

public sealed class RetryAfterTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 23, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("7", 7)]
    [InlineData(" 7 ", 7)]
    [InlineData("0", 0)]
    [InlineData("1.5", 1.5)]
    [InlineData("-5", 0)]
    [InlineData("1000000000", 600)]
    [InlineData("99999999999999999999999999", 600)]
    [InlineData("Mon, 23 Nov 2026 12:00:30 GMT", 30)]
    [InlineData("Mon, 23 Nov 2026 11:00:00 GMT", 0)]
    [InlineData("Mon, 23 Nov 2099 12:00:00 GMT", 600)]
    [InlineData("Monday, 23-Nov-26 12:00:10 GMT", 10)]
    public void Both_forms_are_read_and_absurd_ones_are_bounded(string value, double seconds) =>
        RetryAfter.Parse(value, Now).ShouldBe(TimeSpan.FromSeconds(seconds));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("soon")]
    [InlineData("NaN")]
    public void What_says_nothing_is_no_wait(string? value) => RetryAfter.Parse(value, Now).ShouldBeNull();

    [Fact]
    public void A_date_is_read_by_the_servers_own_clock()
    {
        using var response = new HttpResponseMessage();
        response.Headers.Date = Now.AddHours(5);
        response.Headers.TryAddWithoutValidation("Retry-After", "Mon, 23 Nov 2026 17:00:20 GMT");
        RetryAfter.Of(response, Now).ShouldBe(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public void Whatever_is_written_the_wait_is_within_its_bounds() =>
        Gen.OneOf(
            Gen.String,
            Gen.Long.Select(static n => n.ToString(CultureInfo.InvariantCulture)),
            Gen.Double.Select(static d => d.ToString("R", CultureInfo.InvariantCulture))).Sample(text =>
        {
            if (RetryAfter.Parse(text, Now) is { } wait)
            {
                wait.ShouldBeInRange(TimeSpan.Zero, RetryAfter.Max);
            }
        });
}

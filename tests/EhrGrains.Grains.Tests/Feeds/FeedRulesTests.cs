using System.Collections.Immutable;
using CsCheck;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Grains.Feeds;

namespace EhrGrains.Grains.Tests.Feeds;

public sealed class FeedRulesTests
{
    [Fact]
    public void Statistics_count_every_message_once_and_stay_within_their_bounds()
    {
        var start = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        Gen.Select(Gen.Int[0, 30], Gen.Int[0, 99], Gen.Int[0, 3]).List[0, 400].Sample(messages =>
        {
            ImmutableArray<FeedHour> hours = [];
            foreach (var (hour, type, warnings) in messages.OrderBy(message => message.Item1))
            {
                hours = FeedStatistics.Add(hours, start.AddHours(hour).AddMinutes(7), $"T{type}", [.. Enumerable.Range(0, warnings).Select(w => $"W{w}")]);
            }

            hours.Length.ShouldBeLessThanOrEqualTo(FeedStatistics.HoursMax);
            hours.ShouldBe(hours.OrderByDescending(hour => hour.Hour));
            foreach (var hour in hours)
            {
                hour.Types.Length.ShouldBeLessThanOrEqualTo(FeedStatistics.NamesMax);
                hour.Types.Sum(type => type.Count).ShouldBe(messages.Count(message => start.AddHours(message.Item1) == hour.Hour));
                hour.Warnings.Sum(warning => warning.Count)
                    .ShouldBe(messages.Where(message => start.AddHours(message.Item1) == hour.Hour).Sum(message => message.Item3));
            }
        });
    }

    [Fact]
    public void The_wait_between_tries_grows_to_its_bound_and_is_never_the_same_for_all()
    {
        Gen.Select(Gen.Int[1, 1_000], Gen.Double[0, 1]).Sample((failures, chance) =>
        {
            var delay = SendPolicy.Delay(failures, chance);
            delay.ShouldBeInRange(TimeSpan.FromSeconds(0.8), TimeSpan.FromMinutes(6));
            SendPolicy.Delay(failures + 1, chance).ShouldBeGreaterThanOrEqualTo(delay);
        });
        SendPolicy.Delay(1, 0.5).ShouldBe(TimeSpan.FromSeconds(1));
        SendPolicy.Delay(100, 0.5).ShouldBe(TimeSpan.FromMinutes(5));
        SendPolicy.Delay(3, 0).ShouldBeLessThan(SendPolicy.Delay(3, 1));
    }

    [Theory]
    [InlineData(MllpSendOutcome.Accepted, 1, "Delivered")]
    [InlineData(MllpSendOutcome.Error, 4, "AgainLater")]
    [InlineData(MllpSendOutcome.Error, 5, "Refused")]
    [InlineData(MllpSendOutcome.Rejected, 1, "Refused")]
    [InlineData(MllpSendOutcome.NoAnswer, 99, "Unknown")]
    [InlineData(MllpSendOutcome.Disconnected, 99, "Unknown")]
    public void Only_a_positive_acknowledgement_is_a_delivery_and_silence_never_is_a_refusal(MllpSendOutcome outcome, int tries, string verdict) =>
        SendPolicy.Judge(outcome, tries, 5).ToString().ShouldBe(verdict);

    [Fact]
    public void An_alarm_that_goes_on_keeps_its_beginning()
    {
        var begin = DateTimeOffset.UnixEpoch;
        var alarms = ImmutableArray<FeedAlarm>.Empty.Raise(FeedAlarmKind.Quarantine, begin, "1").Raise(FeedAlarmKind.Quarantine, begin.AddHours(1), "2");
        alarms.ShouldHaveSingleItem().ShouldBe(new FeedAlarm(FeedAlarmKind.Quarantine, begin, "2"));
        alarms.Clear(FeedAlarmKind.Quarantine).ShouldBeEmpty();
    }

    [Fact]
    public void What_the_feed_table_holds_is_read_as_it_was_written()
    {
        var match = new FeedMatch { SendingApplication = "HIS" };
        var row = new FeedRow(new FeedSpec { Feed = "adt", DisplayName = "A", Inbound = new InboundFeedSpec { Match = match, ForwardTo = ["x"] } }, IsOpen: true);
        var read = FeedRow.Read(row.Write());
        read.IsOpen.ShouldBeTrue();
        read.Spec.Inbound!.Match.SendingApplication.ShouldBe("HIS");
        read.Spec.Inbound.ForwardTo.ShouldBe(["x"]);
    }
}

using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Hl7v2.Acknowledgements;
using EhrGrains.Testing;

namespace EhrGrains.Connect.Tests.Mllp;

/// <summary>The decision table, whole, against the one that people read.</summary>
public sealed class AcknowledgementRulesTests
{
    private static readonly Wish[] Wishes = [Wish.Always, Wish.Never, Wish.OnError, Wish.OnSuccess];

    private static readonly Dictionary<MllpEvent, string[]> Documented = File
        .ReadAllLines(Path.Combine(SharedData.RepositoryRoot(), "docs", "reference", "acknowledgements.md"))
        .Select(line => line.Split('|', StringSplitOptions.TrimEntries))
        .Where(cells => cells.Length == 12 && Enum.TryParse<MllpEvent>(cells[1], out _))
        .ToDictionary(cells => Enum.Parse<MllpEvent>(cells[1]), cells => cells[2..^1]);

    public static TheoryData<string> Events => [.. Enum.GetNames<MllpEvent>()];

    [Theory]
    [MemberData(nameof(Events))]
    public void The_documented_table_is_the_one_that_decides(string name)
    {
        var what = Enum.Parse<MllpEvent>(name);
        var row = Documented[what];
        Cell(what, new AcknowledgementTerms(Wish.Unstated, Wish.Unstated)).ShouldBe(row[1]);
        for (var i = 0; i < Wishes.Length; i++)
        {
            Cell(what, new AcknowledgementTerms(Wishes[i], Wish.Never)).ShouldBe(row[2 + i]);
            Cell(what, new AcknowledgementTerms(Wishes[i], Wish.Unstated)).ShouldBe(row[2 + i]);
        }

        var released = AcknowledgementRules.Decide(what, new AcknowledgementTerms(Wish.Unstated, Wish.Unstated, CommitBytes: true));
        (released.CommitByte switch { 0x06 => "ACK", 0x15 => "NAK", _ => "–" }).ShouldBe(row[6]);
        Error(released.Error).ShouldBe(row[7]);
        (released.Refusal is null ? "no" : "yes").ShouldBe(row[8]);
    }

    [Theory]
    [MemberData(nameof(Events))]
    public void Where_MSH_15_does_not_ask_MSH_16_is_answered_as_in_original_mode(string name)
    {
        var what = Enum.Parse<MllpEvent>(name);
        var original = Documented[what][1];
        for (var i = 0; i < Wishes.Length; i++)
        {
            var asked = Documented[what][2 + i] is var cell && cell.Length == 2;
            Cell(what, new AcknowledgementTerms(Wish.Never, Wishes[i])).ShouldBe(asked ? original : cell);
            Cell(what, new AcknowledgementTerms(Wish.Unstated, Wishes[i])).ShouldBe(asked ? original : cell);
            Cell(what, new AcknowledgementTerms(Wish.Always, Wishes[i])).ShouldBe(Documented[what][2]);
        }
    }

    [Fact]
    public void Nothing_that_is_not_kept_is_ever_acknowledged_as_kept()
    {
        foreach (var what in Enum.GetValues<MllpEvent>().Where(e => Documented[e][0] == "no"))
        {
            foreach (var terms in AllTerms())
            {
                var decision = AcknowledgementRules.Decide(what, terms);
                decision.Code.ShouldNotBeOneOf("AA", "CA");
                decision.CommitByte.ShouldNotBe((byte)0x06);
            }
        }
    }

    [Fact]
    public void A_message_waits_when_its_feed_holds_or_when_its_sender_would_not_be_told()
    {
        foreach (var terms in AllTerms())
        {
            var told = AcknowledgementRules.Decide(MllpEvent.OutOfSequence, terms).Code is not null;
            var decision = AcknowledgementRules.Decide(MllpEvent.Unavailable, terms);
            decision.Holds.ShouldBe(terms.WhenUnavailable == UnavailablePolicy.Hold || (!told && !terms.CommitBytes));
            if (decision.Holds)
            {
                (decision.Code, decision.CommitByte).ShouldBe((null, null));
            }
        }
    }

    private static IEnumerable<AcknowledgementTerms> AllTerms() =>
        from accept in Enum.GetValues<Wish>()
        from application in Enum.GetValues<Wish>()
        from policy in Enum.GetValues<UnavailablePolicy>()
        from commit in new[] { false, true }
        select new AcknowledgementTerms(accept, application, policy, commit);

    private static string Cell(MllpEvent what, AcknowledgementTerms terms)
    {
        var decision = AcknowledgementRules.Decide(what, terms);
        return decision.Holds ? "waits" : decision.Code ?? "–";
    }

    private static string Error(AcknowledgementError? error) =>
        error is null ? "–" : error.Location is { } at ? $"{error.Code} at {at.Segment}-{at.Field}" : $"{error.Code}";
}

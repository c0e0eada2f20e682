namespace EhrGrains.EndToEnd.Tests.Feeds;

/// <summary>The judge of the kill tests is judged: it finds every kind of wrong.</summary>
public sealed class HistoryTests
{
    private static readonly SentMessage[] Sent =
    [
        new(0, "a", 10, 20, 1),
        new(1, "b", 15, 30, 2),
        new(0, "c", 25, 40, 1),
        new(1, "d", 35, null, 1),
    ];

    [Fact]
    public void A_journal_that_is_right_is_right()
    {
        History.Compare(Sent, [new(1, "a", 0), new(2, "b", 1), new(3, "c", 0)]).ShouldBeEmpty();
        History.Compare(Sent, [new(1, "b", 0), new(2, "a", 0), new(3, "c", 0), new(4, "d", 0)]).ShouldBeEmpty();
    }

    [Fact]
    public void Whatever_is_wrong_is_named()
    {
        History.Compare(Sent, [new(1, "a", 0), new(2, "c", 0)]).ShouldBe(["b was lost"]);
        History.Compare(Sent, [new(1, "a", 0), new(2, "b", 0), new(4, "c", 0)]).ShouldBe(["position 3 is missing"]);
        History.Compare(Sent, [new(1, "b", 0), new(2, "c", 0), new(3, "a", 0)]).Single().ShouldStartWith("a comes after one");
        History.Compare(Sent, [new(1, "a", 0), new(2, "a", 0), new(3, "b", 0), new(4, "c", 0)]).ShouldBe(["a is there twice"]);
        History.Compare(Sent, [new(1, "a", 1), new(2, "b", 0), new(3, "c", 0)]).Single().ShouldStartWith("a is marked");
        History.Compare(Sent, [new(1, "a", 0), new(2, "b", 0), new(3, "c", 0), new(4, "x", 0)]).ShouldBe(["x was never sent"]);
    }
}

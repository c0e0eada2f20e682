using EhrGrains.Grains.Records;

namespace EhrGrains.Grains.Tests.Records;

/// <summary>Which records leave memory while patients are copied.</summary>
public sealed class CopiedRecordsTests
{
    private readonly List<string> gone = [];
    private readonly CopiedRecords copied = new(new RecordBounds(CopiedBytesMax: 100));

    [Fact]
    public void Those_go_first_that_were_copied_into_the_longest_time_ago()
    {
        Touch("a", 40);
        Touch("b", 40);
        Touch("a", 45);
        gone.ShouldBeEmpty();

        Touch("c", 40);
        gone.ShouldBe(["b"]);

        Touch("d", 100);
        gone.ShouldBe(["b", "a", "c"]);
    }

    [Fact]
    public void One_that_others_use_stays_and_takes_no_room()
    {
        Touch("a", 90);
        copied.Forget("a");
        Touch("b", 90);
        gone.ShouldBeEmpty();
    }

    [Fact]
    public void One_that_is_larger_than_the_bound_stays_while_it_is_copied_into()
    {
        Touch("a", 400);
        Touch("a", 500);
        gone.ShouldBeEmpty();

        Touch("b", 1);
        gone.ShouldBe(["a"]);
    }

    private void Touch(string record, long bytes) => copied.Touch(record, bytes, () => gone.Add(record));
}

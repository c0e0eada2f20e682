using EhrGrains.Grains.Records;

namespace EhrGrains.Grains.Tests.Records;

/// <summary>What messages of a feed do to records, and what becomes of those that do nothing.</summary>
public sealed class FeedMappingTests(SqliteGrainCluster fixture) : IClassFixture<SqliteGrainCluster>
{
    private readonly RecordSite site = new(fixture.OrSkip());

    [Fact]
    public async Task An_admission_becomes_a_record_and_coming_again_changes_nothing()
    {
        var entries = RecordSite.Entries(RecordSite.Adt("A01", "1", "Moser", "V1"), RecordSite.Adt("A08", "1", "Meier", "V1"));
        var first = await site.ApplyAsync(entries);
        var again = await site.ApplyAsync(entries);

        (first.Applied, again.Applied, again.Written, first.Failure).ShouldBe((2, 2, 0, null));
        var chart = await site.ShowAsync(RecordSite.Of("1"));
        chart.Keys.Count(key => key.StartsWith("Encounter/", StringComparison.Ordinal)).ShouldBe(1);
        var patient = chart[$"Patient/{RecordSite.Of("1")}"];
        patient["name"]![0]!["family"]!.ToString().ShouldBe("Meier");
        patient["meta"]!["source"]!.ToString().ShouldBe("urn:ehrgrains:feed:adt#2");
        chart.Values.ShouldAllBe(resource => resource["resourceType"]!.ToString() != "MessageHeader");
    }

    [Fact]
    public async Task A_merge_by_message_moves_the_visit_and_later_messages_under_the_old_number_reach_the_survivor()
    {
        var batch = await site.ApplyAsync(RecordSite.Entries(
            RecordSite.Adt("A01", "1", "Moser", "V1"),
            RecordSite.Adt("A01", "2", "Mosre", "V2"),
            RecordSite.Adt("A40", "1", "Moser", prior: "2^^^HOSP^MR"),
            RecordSite.Adt("A08", "2", "Moser-Meier", "V2")));

        (batch.Applied, batch.Failure).ShouldBe((4, null));
        batch.Exceptions.ShouldNotContain(exception => exception.Kind == MergeEvents.Refused || exception.Kind == MergeEvents.Unknown);
        var survivor = await site.ShowAsync(RecordSite.Of("1"));
        survivor.Keys.Count(key => key.StartsWith("Encounter/", StringComparison.Ordinal)).ShouldBe(2);
        survivor[$"Patient/{RecordSite.Of("1")}"]["name"]![0]!["family"]!.ToString().ShouldBe("Moser-Meier");
        (await site.ShowAsync(RecordSite.Of("2")))[$"Patient/{RecordSite.Of("2")}"]["active"]!.ToString().ShouldBe("false");
    }

    [Fact]
    public async Task A_changed_number_is_the_same_patient_under_both()
    {
        await site.ApplyAsync(RecordSite.Entries(
            RecordSite.Adt("A01", "1", "Moser", "V1"),
            RecordSite.Adt("A47", "9", "Moser", prior: "1^^^HOSP^MR"),
            RecordSite.Adt("A08", "9", "Meier"),
            RecordSite.Adt("A08", "1", "Muster")));

        (await site.ShowAsync(RecordSite.Of("1")))[$"Patient/{RecordSite.Of("1")}"]["name"]![0]!["family"]!.ToString().ShouldBe("Muster");
        await Should.ThrowAsync<Contracts.ProblemException>(() => site.ShowAsync(RecordSite.Of("9")));
    }

    [Fact]
    public async Task A_visit_moved_by_message_is_in_the_other_record()
    {
        await site.ApplyAsync(RecordSite.Entries(
            RecordSite.Adt("A01", "1", "Moser", "V1"),
            RecordSite.Adt("A01", "2", "Other", "V2"),
            RecordSite.Adt("A45", "2", "Other", "V1", prior: "1^^^HOSP^MR")));

        (await site.ShowAsync(RecordSite.Of("1"))).Keys.ShouldNotContain(key => key.StartsWith("Encounter/", StringComparison.Ordinal));
        (await site.ShowAsync(RecordSite.Of("2"))).Keys.Count(key => key.StartsWith("Encounter/", StringComparison.Ordinal)).ShouldBe(2);
    }

    [Theory]
    [InlineData("A42")]
    [InlineData("A50")]
    [InlineData("A51")]
    public async Task A_visit_that_becomes_part_of_another_or_changes_its_number_is_that_other_one(string trigger)
    {
        var entries = RecordSite.Entries(
            RecordSite.Adt("A01", "1", "Alvarez", "V1", more: "DG1|1||J18^Pneumonia^I10\r"),
            RecordSite.Adt(trigger, "1", "Alvarez", "V2", prior: "1^^^HOSP^MR||||V1^^^HOSP^VN"),
            RecordSite.Adt("A08", "1", "Alvarez", "V2"));
        (await site.ApplyAsync(entries)).Exceptions.ShouldBeEmpty();
        (await site.ApplyAsync(entries)).ShouldSatisfyAllConditions(again => again.Exceptions.ShouldBeEmpty(), again => again.Written.ShouldBe(0));

        var chart = await site.ShowAsync(RecordSite.Of("1"));
        var visit = chart.Values.Where(resource => (string)resource["resourceType"]! == "Encounter").ShouldHaveSingleItem();
        visit["identifier"]!.AsArray().Select(number => $"{number!["value"]} {number["use"]}".TrimEnd()).ShouldBe(["V1 old", "V2"], ignoreOrder: true);
        var condition = chart.Values.Single(resource => (string)resource["resourceType"]! == "Condition");
        ((string)condition["encounter"]!["reference"]!).ShouldBe($"Encounter/{visit["id"]}");

        // A number may change back: what was done is undone by the next message.
        (await site.ApplyAsync(
            [RecordSite.Entries("", "", "", RecordSite.Adt("A50", "1", "Alvarez", "V1", prior: "1^^^HOSP^MR||||V2^^^HOSP^VN"))[3]])).Exceptions.ShouldBeEmpty();
        chart = await site.ShowAsync(RecordSite.Of("1"));
        var again = chart.Values.Where(resource => (string)resource["resourceType"]! == "Encounter").ShouldHaveSingleItem();
        again["id"]!.ToString().ShouldNotBe(visit["id"]!.ToString());
        chart.Values.Single(resource => (string)resource["resourceType"]! == "Condition")["encounter"]!["reference"]!.ToString().ShouldBe($"Encounter/{again["id"]}");
    }

    [Theory]
    [InlineData("A35")]
    [InlineData("A41")]
    [InlineData("A49")]
    public async Task An_account_that_becomes_part_of_another_or_changes_its_number_is_that_other_one(string trigger)
    {
        var batch = await site.ApplyAsync(RecordSite.Entries(
            RecordSite.Adt("A01", "1", "Alvarez", "V1", account: "A1"),
            RecordSite.Adt(trigger, "1", "Alvarez", prior: "1^^^HOSP^MR||A1^^^HOSP^AN", account: "A2"),
            RecordSite.Adt(trigger, "1", "Alvarez", prior: "1^^^HOSP^MR||A9^^^HOSP^AN", account: "A2"),
            RecordSite.Adt(trigger, "1", "Alvarez", prior: "1^^^HOSP^MR||A2^^^HOSP^AN")));

        batch.Exceptions.Select(exception => (exception.Position, exception.Kind)).ShouldBe([(3L, "merge-unknown-patient"), (4L, "merge-unknown-patient")]);
        var account = (await site.ShowAsync(RecordSite.Of("1"))).Values.Where(resource => (string)resource["resourceType"]! == "Account").ShouldHaveSingleItem();
        account["identifier"]!.AsArray().Select(number => $"{number!["value"]} {number["use"]}".TrimEnd()).ShouldBe(["A1 old", "A2"], ignoreOrder: true);
    }

    [Fact]
    public async Task A_number_that_moves_takes_everything_along_when_the_patient_has_no_other()
    {
        var batch = await site.ApplyAsync(RecordSite.Entries(
            RecordSite.Adt("A01", "1", "Alvarez", "V1"),
            RecordSite.Adt("A01", "2", "Brown", "V2"),
            RecordSite.Adt("A43", "2", "Brown", prior: "1^^^HOSP^MR"),
            RecordSite.Adt("A08", "1", "Alvarez"),
            RecordSite.Adt("A01", "3", "Clark", "V3"),
            RecordSite.Adt("A47", "3b", "Clark", prior: "3^^^HOSP^MR"),
            RecordSite.Adt("A43", "2", "Brown", prior: "3^^^HOSP^MR")));

        var chart = await site.ShowAsync(RecordSite.Of("2"));
        chart.Values.Count(resource => (string)resource["resourceType"]! == "Encounter").ShouldBe(2);
        chart[$"Patient/{RecordSite.Of("2")}"]["link"]![0]!["type"]!.ToString().ShouldBe("replaces");
        batch.Exceptions[^1].ShouldSatisfyAllConditions(left => left.Kind.ShouldBe("merge-refused"), left => left.Position.ShouldBe(7));
    }

    [Fact]
    public async Task A_person_who_is_deleted_is_inactive_until_added_again()
    {
        var id = $"Patient/{RecordSite.Of("1")}";
        var deleted = await site.ApplyAsync(RecordSite.Entries(RecordSite.Adt("A28", "1", "Alvarez"), RecordSite.Adt("A29", "1", "Alvarez")));

        deleted.Exceptions.ShouldHaveSingleItem().Kind.ShouldBe("deletion-asked");
        ((bool)(await site.ShowAsync(RecordSite.Of("1")))[id]["active"]!).ShouldBeFalse();
        await site.ApplyAsync([RecordSite.Entries("", "", RecordSite.Adt("A28", "1", "Alvarez"))[2]]);
        ((bool)(await site.ShowAsync(RecordSite.Of("1")))[id]["active"]!).ShouldBeTrue();
    }

    [Fact]
    public async Task Messages_without_a_patient_and_merges_that_cannot_be_are_exceptions_with_a_reason_and_the_feed_goes_on()
    {
        var batch = await site.ApplyAsync(RecordSite.Entries(
            RecordSite.Adt("A08", "", "Nobody"),
            "MSH|^~\\&|HIS|HOSP|US|HERE|20260101120000||ADT^A08|X|P|2.5.1\rEVN|A08|20260101120000\r",
            RecordSite.Adt("A40", "1", "Moser", prior: "77^^^HOSP^MR"),
            RecordSite.Adt("A08", "2", "Other"),
            RecordSite.Adt("A40", "1", "Moser", prior: "2^^^HOSP^MR"),
            RecordSite.Adt("A40", "2", "Other", prior: "1^^^HOSP^MR"),
            RecordSite.Adt("A40", "1", "Moser", prior: "2^^^HOSP^MR"),
            RecordSite.Adt("A40", "1", "Moser", prior: "1^^^HOSP^MR"),
            RecordSite.Adt("A29", "1", "Moser"),
            RecordSite.Adt("A08", "1", "Last")));

        (batch.Applied, batch.Failure).ShouldBe((10, null));
        Kinds().ShouldBe([
            (1, FeedMapping.NoIdentifier), (2, FeedMapping.NoIdentifier), (3, MergeEvents.Unknown), (6, MergeEvents.Refused), (7, MergeEvents.Refused),
            (8, MergeEvents.Refused), (9, MergeEvents.DeletionAsked)]);
        (await site.ShowAsync(RecordSite.Of("1")))[$"Patient/{RecordSite.Of("1")}"]["name"]![0]!["family"]!.ToString().ShouldBe("Last");

        IEnumerable<(long, string)> Kinds() => batch.Exceptions
            .Where(exception => exception.Kind is FeedMapping.NoIdentifier or MergeEvents.Unknown or MergeEvents.Refused or MergeEvents.DeletionAsked)
            .Select(exception => (exception.Position, exception.Kind));
    }

    [Fact]
    public async Task Identifiers_of_two_patients_in_one_message_are_an_exception_and_the_best_one_counts()
    {
        var batch = await site.ApplyAsync(RecordSite.Entries(
            RecordSite.Adt("A08", "1", "Moser"),
            RecordSite.Adt("A08", "2", "Other"),
            RecordSite.Adt("A08", "1^^^HOSP^MR~2", "Both")));

        batch.Exceptions.Where(exception => exception.Kind == FeedMapping.Divided).Select(exception => exception.Position).ShouldBe([3L]);
        (await site.ShowAsync(RecordSite.Of("1")))[$"Patient/{RecordSite.Of("1")}"]["name"]![0]!["family"]!.ToString().ShouldBe("Both");
        (await site.ShowAsync(RecordSite.Of("2")))[$"Patient/{RecordSite.Of("2")}"]["name"]![0]!["family"]!.ToString().ShouldBe("Other");
    }
}

using System.Text;
using CsCheck;
using EhrGrains.Fhir.Records;

namespace EhrGrains.Fhir.Tests.Records;

/// <summary>How what a message says is laid over what a record has.</summary>
public sealed class ResourceOverlayTests
{
    private static readonly VersionStamp First = new(1, new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), "urn:ehrgrains:feed:adt#7");
    private static readonly VersionStamp Second = First with { Version = 2, Source = "urn:ehrgrains:feed:adt#8" };

    [Fact]
    public void The_first_version_carries_its_stamp_behind_the_id() => Lay("", """{"resourceType":"Patient","id":"p","active":true}""").ShouldBe(
        """{"resourceType":"Patient","id":"p","meta":{"versionId":"1","lastUpdated":"2026-01-02T03:04:05.000000Z","source":"urn:ehrgrains:feed:adt#7"},"active":true}""");

    [Fact]
    public void What_is_said_replaces_what_is_not_said_stays_and_what_is_deleted_goes() =>
        Body(Lay(
            """{"resourceType":"Patient","id":"p","name":[{"family":"Old"}],"gender":"male","birthDate":"1970-01-01"}""",
            """{"resourceType":"Patient","id":"p","name":[{"family":"New"}]}""",
            "gender")).ShouldBe("""{"resourceType":"Patient","id":"p","name":[{"family":"New"}],"birthDate":"1970-01-01"}""");

    [Fact]
    public void Another_choice_of_an_element_takes_the_place_of_the_first_and_of_its_extensions() =>
        Body(Lay(
            """{"resourceType":"Patient","id":"p","birthDate":"1970","deceasedBoolean":true,"_deceasedBoolean":{"id":"x"}}""",
            """{"resourceType":"Patient","id":"p","deceasedDateTime":"2026-01-01"}"""))
            .ShouldBe("""{"resourceType":"Patient","id":"p","birthDate":"1970","deceasedDateTime":"2026-01-01"}""");

    [Fact]
    public void Elements_stand_in_the_order_of_the_standard_whoever_said_them() =>
        Body(Lay(
            """{"resourceType":"Patient","id":"p","active":true,"birthDate":"1970-01-01"}""",
            """{"resourceType":"Patient","id":"p","identifier":[{"value":"1"}],"gender":"male","address":[{"city":"Bern"}]}"""))
            .ShouldBe("""{"resourceType":"Patient","id":"p","identifier":[{"value":"1"}],"active":true,"gender":"male","birthDate":"1970-01-01","address":[{"city":"Bern"}]}""");

    [Fact]
    public void Identifiers_and_extensions_are_laid_over_one_by_one() =>
        Body(Lay(
            """{"resourceType":"Patient","id":"p","extension":[{"url":"a","valueString":"1"},{"url":"b","valueString":"1"}],"identifier":[{"system":"s","value":"1","use":"usual"},{"system":"s","value":"2"}]}""",
            """{"resourceType":"Patient","id":"p","extension":[{"url":"b","valueString":"2"}],"identifier":[{"system":"t","value":"1"},{"system":"s","value":"1"}]}"""))
            .ShouldBe("""{"resourceType":"Patient","id":"p","extension":[{"url":"a","valueString":"1"},{"url":"b","valueString":"2"}],"identifier":[{"system":"s","value":"1"},{"system":"s","value":"2"},{"system":"t","value":"1"}]}""");

    [Fact]
    public void A_late_message_adds_what_is_missing_and_replaces_nothing() =>
        Body(Lay(
            """{"resourceType":"Patient","id":"p","identifier":[{"system":"s","value":"1","use":"usual"}],"gender":"male"}""",
            """{"resourceType":"Patient","id":"p","identifier":[{"system":"s","value":"1"},{"system":"t","value":"2"}],"gender":"female","birthDate":"1970-01-01"}""",
            fillOnly: true))
            .ShouldBe("""{"resourceType":"Patient","id":"p","identifier":[{"system":"s","value":"1","use":"usual"},{"system":"t","value":"2"}],"gender":"male","birthDate":"1970-01-01"}""");

    [Fact]
    public void Saying_the_same_again_says_nothing_new_and_profiles_count_as_content()
    {
        const string Said = """{"resourceType":"Patient","id":"p","meta":{"profile":["x"]},"active":true}""";
        var stored = Lay("", Said)!;
        ResourceOverlay.Lay("Patient", Bytes(stored), Bytes(Said), [], false, Second).ShouldBeNull();
        ResourceOverlay.Lay("Patient", Bytes(stored), Bytes(Said.Replace("\"x\"", "\"y\"", StringComparison.Ordinal)), [], false, Second).ShouldNotBeNull();
        ResourceOverlay.SourceOf(Bytes(stored)).ShouldBe(First.Source);
    }

    [Fact]
    public void Laying_anything_over_twice_is_laying_it_over_once() =>
        Gen.Select(AnyPatient, AnyPatient, Gen.Bool).Sample((before, said, fill) =>
        {
            var once = ResourceOverlay.Lay("Patient", ResourceOverlay.Lay("Patient", default, Bytes(before), [], false, First), Bytes(said), [], fill, Second);
            return once is null || ResourceOverlay.Lay("Patient", once, Bytes(said), [], fill, Second) is null;
        });

    [Fact]
    public void A_link_can_be_made_once_and_taken_away_again()
    {
        const string Patient = """{"resourceType":"Patient","id":"a","active":true}""";
        var linked = PatientLinks.Link(Bytes(Patient), "b", "replaced-by", active: false)!;
        Encoding.UTF8.GetString(linked).ShouldBe("""{"resourceType":"Patient","id":"a","active":false,"link":[{"other":{"reference":"Patient/b"},"type":"replaced-by"}]}""");
        PatientLinks.Link(linked, "b", "replaced-by", active: false).ShouldBeNull();
        Encoding.UTF8.GetString(PatientLinks.Unlink(linked, "b", active: true)!).ShouldBe(Patient);
        PatientLinks.Unlink(Bytes(Patient), "b").ShouldBeNull();
    }

    [Fact]
    public void References_to_one_patient_go_to_another_and_longer_ids_are_left_alone() =>
        Encoding.UTF8.GetString(PatientLinks.Redirect(Bytes("""{"subject":{"reference":"Patient/a"},"x":[{"reference":"Patient/ab"},{"reference":"Patient/a"}]}"""), "a", "longer"))
            .ShouldBe("""{"subject":{"reference":"Patient/longer"},"x":[{"reference":"Patient/ab"},{"reference":"Patient/longer"}]}""");

    private static readonly Gen<string> AnyPatient = Gen.Select(Gen.Int[0, 3], Gen.Int[0, 3], Gen.Int[0, 3], Gen.Int[0, 2]).Select((identifiers, extensions, gender, deceased) =>
        $$"""
        {"resourceType":"Patient","id":"p"
        {{(extensions == 0 ? "" : $$""","extension":[{{string.Join(',', Enumerable.Range(1, extensions).Select(i => $$"""{"url":"u{{i * gender}}","valueString":"{{i}}"}"""))}}]""")}}
        {{(identifiers == 0 ? "" : $$""","identifier":[{{string.Join(',', Enumerable.Range(1, identifiers).Select(i => $$"""{"system":"s","value":"{{i * extensions}}"}"""))}}]""")}}
        {{(gender == 0 ? "" : $$""","gender":"{{gender}}" """)}}
        {{(deceased switch { 0 => "", 1 => ",\"deceasedBoolean\":true", _ => ",\"deceasedDateTime\":\"2026\"" })}}}
        """);

    private static string? Lay(string before, string said, string? deleted = null, bool fillOnly = false) =>
        ResourceOverlay.Lay("Patient", Bytes(before), Bytes(said), deleted is null ? [] : [deleted], fillOnly, First) is { } laid ? Encoding.UTF8.GetString(laid) : null;

    private static string Body(string? stamped)
    {
        var start = stamped!.IndexOf(",\"meta\":", StringComparison.Ordinal);
        return stamped.Remove(start, stamped.IndexOf('}', start) + 1 - start);
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}

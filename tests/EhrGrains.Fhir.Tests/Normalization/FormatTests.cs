using System.Buffers;
using System.Text;
using EhrGrains.Fhir.Normalization;

namespace EhrGrains.Fhir.Tests.Normalization;

/// <summary>What is not the FHIR that was expected, named by reason and position and never by content.</summary>
public sealed class FormatTests
{
    private const string Page = """
        {"resourceType":"Bundle","type":"searchset","total":1,"link":[{"relation":"next","url":"https://ehr.example/\u00e9"}],"entry":[
        {"fullUrl":"x","resource":{"resourceType":"Encounter","id":"a_1","meta":{"source":"urn:s","tag":[{"code":"x"}]},"class":{"system":"urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260","code":"5"},
        "subject":{"reference":"https://ehr.example/api/FHIR/R4/Patient/é"},"identifier":[{"type":{"text":"EPI"},"value":" 1"}],"length":{"value":12.50}},"search":{"mode":"match"}},
        {"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"processing","details":{"coding":[{"code":"4119"}]}}]},"search":{"mode":"outcome"}}]}
        """;

    [Theory]
    [InlineData("<html><body>Sign in</body></html>", FhirFormatReason.NotJson)]
    [InlineData("{\"resourceType\":\"Bundle\",}", FhirFormatReason.NotJson)]
    [InlineData("[]", FhirFormatReason.NotAnObject)]
    [InlineData("\"x\"", FhirFormatReason.NotAnObject)]
    [InlineData("", FhirFormatReason.Truncated)]
    [InlineData("{\"resourceType\":\"Bundle\"", FhirFormatReason.Truncated)]
    [InlineData("{\"resourceType\":\"OperationOutcome\"}", FhirFormatReason.WrongResourceType)]
    [InlineData("{\"resourceType\":\"Bundle\",\"type\":\"batch-response\"}", FhirFormatReason.NotASearchset)]
    [InlineData("{\"resourceType\":\"Bundle\"}", FhirFormatReason.NotASearchset)]
    [InlineData("{\"type\":\"searchset\"}", FhirFormatReason.NoResourceType)]
    [InlineData("{\"resourceType\":\"Bundle\",\"type\":\"searchset\"}{}", FhirFormatReason.TrailingData)]
    [InlineData("{\"resourceType\":\"Bundle\",\"type\":\"searchset\"} x", FhirFormatReason.TrailingData)]
    [InlineData("{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"type\":\"searchset\"}", FhirFormatReason.DuplicateProperty)]
    [InlineData("{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"entry\":{}}", FhirFormatReason.WrongJsonType)]
    [InlineData("{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"entry\":[1]}", FhirFormatReason.WrongJsonType)]
    [InlineData("{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"link\":[{\"url\":1}]}", FhirFormatReason.WrongJsonType)]
    public void What_is_not_a_page_is_named(string page, FhirFormatReason reason) => Refused(page).Reason.ShouldBe(reason);

    [Theory]
    [InlineData("{}", FhirFormatReason.NoResourceType)]
    [InlineData("{\"resourceType\":7}", FhirFormatReason.NoResourceType)]
    [InlineData("{\"resourceType\":\"../Patient\"}", FhirFormatReason.NoResourceType)]
    [InlineData("{\"resourceType\":\"Patient\",\"id\":7}", FhirFormatReason.WrongJsonType)]
    [InlineData("{\"resourceType\":\"Patient\",\"id\":{}}", FhirFormatReason.WrongJsonType)]
    [InlineData("{\"resourceType\":\"Patient\",\"id\":[]}", FhirFormatReason.WrongJsonType)]
    [InlineData("{\"resourceType\":\"Patient\",\"meta\":[]}", FhirFormatReason.WrongJsonType)]
    [InlineData("{\"resourceType\":\"Patient\",\"meta\":null}", FhirFormatReason.WrongJsonType)]
    [InlineData("{\"resourceType\":\"Patient\",\"meta\":\"x\"}", FhirFormatReason.WrongJsonType)]
    [InlineData("{\"resourceType\":\"Patient\",\"meta\":{\"tag\":{}}}", FhirFormatReason.WrongJsonType)]
    [InlineData("{\"resourceType\":\"Patient\",\"meta\":{\"source\":1}}", FhirFormatReason.WrongJsonType)]
    [InlineData("{\"resourceType\":\"Patient\",\"meta\":{\"extension\":null}}", FhirFormatReason.WrongJsonType)]
    [InlineData("{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"a\",\"given\":[],\"family\":\"b\"}]}", FhirFormatReason.DuplicateProperty)]
    [InlineData("{\"resourceType\":\"Patient\",\"gender\":\"male\",\"\\u0067ender\":\"female\"}", FhirFormatReason.DuplicateProperty)]
    [InlineData("{\"resourceType\":\"Patient\",\"language\":\"\\ud83d\"}", FhirFormatReason.InvalidText)]
    [InlineData("{\"resourceType\":\"Patient\",\"language\":\"\\ude00\\ud83d\"}", FhirFormatReason.InvalidText)]
    [InlineData("{\"resourceType\":\"Patient\",\"\\ud83dx\":1}", FhirFormatReason.InvalidText)]
    public void What_is_not_a_resource_is_named(string resource, FhirFormatReason reason)
    {
        Refused(Hospital.Page(Hospital.Entry(resource))).Reason.ShouldBe(reason);
        Should.Throw<FhirFormatException>(() => Hospital.Normalize(resource)).Reason.ShouldBe(reason);
    }

    [Fact]
    public void A_surrogate_pair_in_escapes_is_a_character()
    {
        var (resource, _) = Hospital.Normalize(Hospital.Patient("1", ""","language":"\ud83d\ude00\\ud83d" """));

        resource["language"]!.GetValue<string>().ShouldBe("\ud83d\ude00\\ud83d");
    }

    [Theory]
    [InlineData(60, false)]
    [InlineData(61, true)]
    public void Nesting_is_bounded(int arrays, bool refused)
    {
        // Bundle, entry list, entry and resource are four levels.
        var page = Hospital.Page(Hospital.Entry(Hospital.Patient("1", $",\"x\":{new string('[', arrays)}{new string(']', arrays)}")));

        if (refused)
        {
            Refused(page).Reason.ShouldBe(FhirFormatReason.TooDeep);
        }
        else
        {
            Hospital.NormalizePage(page).Result.Matches.ShouldBe(1);
        }
    }

    [Fact]
    public void Nesting_is_bounded_where_nothing_is_kept()
    {
        var deep = $"{new string('[', 64)}{new string(']', 64)}";

        Refused($$"""{"resourceType":"Bundle","type":"searchset","signature":{{deep}}}""").Reason.ShouldBe(FhirFormatReason.TooDeep);
    }

    [Fact]
    public void Properties_of_an_object_are_bounded()
    {
        static string With(int count) => Hospital.Patient("1", $",\"x\":{{{string.Join(",", Enumerable.Range(0, count).Select(i => $"\"n{i}\":1"))}}}");

        Hospital.Normalize(With(Normalizer.PropertiesMax)).Result.Id.ShouldBe("1");
        Should.Throw<FhirFormatException>(() => Hospital.Normalize(With(Normalizer.PropertiesMax + 1))).Reason.ShouldBe(FhirFormatReason.TooManyProperties);
    }

    [Fact]
    public void Entries_of_a_page_are_bounded()
    {
        static string With(int count) => Hospital.Page([.. Enumerable.Repeat(Hospital.Entry("""{"resourceType":"Patient","id":"1"}"""), count)]);

        Hospital.NormalizePage(With(Normalizer.EntriesMax)).Result.Matches.ShouldBe(1);
        Refused(With(Normalizer.EntriesMax + 1)).Reason.ShouldBe(FhirFormatReason.TooManyEntries);
    }

    [Fact]
    public void Patients_of_a_page_are_bounded()
    {
        static string With(int count) =>
            $$$"""{"resourceType":"Group","id":"1","member":[{{{string.Join(",", Enumerable.Range(0, count).Select(i => $$$"""{"entity":{"reference":"Patient/{{{i}}}"}}"""))}}}]}""";

        Hospital.Normalize(With(Normalizer.PatientsMax)).Result.Patients.Count.ShouldBe(Normalizer.PatientsMax);
        Should.Throw<FhirFormatException>(() => Hospital.Normalize(With(Normalizer.PatientsMax + 1))).Reason.ShouldBe(FhirFormatReason.TooManyPatients);
    }

    [Fact]
    public void Bytes_that_are_not_UTF_8_are_found_by_position()
    {
        var page = Encoding.Latin1.GetBytes(Hospital.Page(Hospital.Entry(Hospital.Patient("1", ",\"language\":\"\u00e9\""))));

        var refusal = Should.Throw<FhirFormatException>(() => Hospital.Of("epic").NormalizePage(page, Request, new ArrayBufferWriter<byte>()));

        refusal.Reason.ShouldBe(FhirFormatReason.InvalidText);
        refusal.Position.ShouldBe(Array.IndexOf(page, (byte)0xE9));
    }

    [Fact]
    public void A_byte_order_mark_is_passed_over()
    {
        var output = new ArrayBufferWriter<byte>();

        Hospital.Of("epic").NormalizePage([0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(Page)], Request, output).Matches.ShouldBe(1);
    }

    [Fact]
    public void A_page_cut_at_any_byte_is_refused_whole()
    {
        var page = Encoding.UTF8.GetBytes(Page.TrimEnd());
        var normalizer = Hospital.Of("epic");
        var output = new ArrayBufferWriter<byte>();
        normalizer.NormalizePage(page, Request, new ArrayBufferWriter<byte>()).Matches.ShouldBe(1);

        for (var length = 0; length < page.Length; length++)
        {
            var refusal = Should.Throw<FhirFormatException>(() => normalizer.NormalizePage(page.AsSpan(0, length), Request, output));
            refusal.Reason.ShouldBe(FhirFormatReason.Truncated, $"cut at {length}");
            output.WrittenCount.ShouldBe(0);
        }
    }

    [Fact]
    public void A_page_with_any_byte_broken_is_refused_or_is_JSON_still()
    {
        var page = Encoding.UTF8.GetBytes(Page.TrimEnd());
        var normalizer = Hospital.Of("epic");
        foreach (var broken in "\"\\{}[]:,x0\n\0\u007f")
        {
            for (var i = 0; i < page.Length; i++)
            {
                var changed = page.ToArray();
                changed[i] = (byte)broken;
                var output = new ArrayBufferWriter<byte>();
                try
                {
                    normalizer.NormalizePage(changed, Request, output);
                    using var _ = System.Text.Json.JsonDocument.Parse(new ReadOnlyMemory<byte>([(byte)'[', .. output.WrittenSpan, (byte)']']));
                }
                catch (FhirFormatException e)
                {
                    e.Position.ShouldBeInRange(0, page.Length);
                    output.WrittenCount.ShouldBe(0);
                }
            }
        }
    }

    [Fact]
    public void A_refusal_quotes_nothing()
    {
        var refusal = Refused(Hospital.Page(Hospital.Entry("""{"resourceType":"Patient","birthDate":SECRET}""")));

        refusal.ToString().ShouldNotContain("SECRET");
        refusal.ToString().ShouldNotContain("'S'");
        refusal.InnerException.ShouldBeNull();
    }

    private static PageRequest Request => new("Encounter", Hospital.GatewayBase);

    private static FhirFormatException Refused(string page) => Should.Throw<FhirFormatException>(() => Hospital.NormalizePage(page));
}

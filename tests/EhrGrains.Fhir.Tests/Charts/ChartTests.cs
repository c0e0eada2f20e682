using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Charts;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Fhir.Tests.Charts;

[CollectionDefinition(nameof(ChartTests), DisableParallelization = true)]
[Collection(nameof(ChartTests))]
public sealed class ChartTests
{
    private static readonly string[] Days = ["2024", "2024-05", "2024-05-31", "2024-05-31T10:00:00Z", "2024-05-31T23:30:00-05:00", "2023-12-31T23:59:59.999Z"];
    private static readonly string[] Codes = ["A", "a", "b", "c"];

    [Fact]
    public void A_chart_that_was_changed_finds_what_a_new_one_finds()
    {
        // Resources come, change and go while indexes exist: they must say the same as indexes made afterwards.
        var change = Gen.Select(Gen.Int[0, 15], Gen.Int[0, 3], Gen.Int[0, 5], Gen.Int[-3, 40], Gen.Bool, (id, code, day, value, keep) => (id, code, day, value, keep));
        change.Array[1, 60].Sample(
            changes =>
            {
                var chart = new Chart(TimeZoneInfo.Utc);
                var now = new SortedDictionary<string, ChartEntry>(StringComparer.Ordinal);
                foreach (var (id, code, day, value, keep) in changes)
                {
                    var entry = Observation($"o{id}", Codes[code], Days[day], value);
                    if (keep)
                    {
                        chart.Put(entry);
                        now[entry.Id] = entry;
                    }
                    else
                    {
                        chart.Remove(entry.Type, entry.Id).ShouldBe(now.Remove(entry.Id));
                    }

                    Ask(chart).ShouldBe(Ask(SearchTests.ChartOf(now.Values)));
                }

                (chart.Count, chart.Bytes).ShouldBe((now.Count, now.Values.Sum(e => (long)e.Json.Length)));
            },
            iter: 200);
    }

    [Fact]
    public void A_sorted_walk_keeps_the_order_that_there_was_when_it_began()
    {
        // Between two pages resources come, change and go. Each that was there is given once, in the old order, as it is now.
        var change = Gen.Select(Gen.Int[0, 12], Gen.Int[0, 5], Gen.Int[0, 3], (id, day, kind) => (id, day, kind));
        Gen.Select(change.Array[1, 10], change.Array[3].Array[8]).Sample(
            (first, later) =>
            {
                var (chart, before, at) = (new Chart(TimeZoneInfo.Utc), new Dictionary<string, ChartEntry>(StringComparer.Ordinal), DateTimeOffset.UnixEpoch);
                foreach (var (id, day, _) in first)
                {
                    var entry = Observation($"o{id}", "a", Days[day], id) with { LastUpdated = at = at.AddSeconds(1) };
                    chart.Put(before[entry.Id] = entry);
                }

                var query = SearchTests.Read("Observation", new("_sort", "-date"), new("_count", "2"), new("code", "urn:c|a"));
                var order = SearchTests.Find(SearchTests.ChartOf(before.Values), "Observation", new("_sort", "-date"), new("code", "urn:c|a"));
                var (place, began) = (0, at);
                var page = chart.Search(query, null, _ => true);
                for (var turn = 0; ; turn++)
                {
                    page.Matches.ShouldAllBe(match => ReferenceEquals(match, chart.Find("Observation", match.Id)));
                    var expected = order.Skip(place).Where(id => chart.Find("Observation", id) is not null).Take(2).ToArray();
                    page.Matches.Select(match => match.Id).ShouldBe(expected);
                    if (page.Next is not { } next)
                    {
                        order.Skip(place).Count(id => chart.Find("Observation", id) is not null).ShouldBe(expected.Length);
                        break;
                    }

                    place = order.ToList().IndexOf(expected[^1]) + 1;
                    foreach (var (id, day, kind) in later[turn % later.Length])
                    {
                        if (kind == 0)
                        {
                            chart.Remove("Observation", $"o{id}");
                        }
                        else if (kind == 1)
                        {
                            chart.Put(Observation($"o{id}", "b", Days[day], id) with { LastUpdated = at = at.AddSeconds(1) });
                        }
                    }

                    next = next with { AsOf = began };
                    page = chart.Search(query, next, _ => true, [.. chart.NamesChangedSince("Observation", next).Where(before.ContainsKey).Select(id => before[id])]);
                }
            },
            iter: 500);
    }

    [Fact]
    public void A_resident_chart_takes_at_most_half_as_much_again_as_its_JSON()
    {
        var entries = SyntheaChart.Read(SyntheaChart.Files().First());
        Search(SearchTests.ChartOf(entries)); // what is made once for all charts

        var before = GC.GetTotalMemory(forceFullCollection: true);
        var chart = new Chart(TimeZoneInfo.Utc);
        foreach (var entry in entries)
        {
            chart.Put(entry with { Id = new string(entry.Id.AsSpan()), Json = entry.Json.ToArray() });
        }

        Search(chart);
        var taken = GC.GetTotalMemory(forceFullCollection: true) - before;
        GC.KeepAlive(chart);
        TestContext.Current.SendDiagnosticMessage($"{chart.Count} resources, {chart.Bytes} bytes, {taken} taken, {chart.IndexBytes} by indexes");
        ((double)taken / chart.Bytes).ShouldBeLessThan(1.5);

        static void Search(Chart chart)
        {
            foreach (var type in chart.Types)
            {
                foreach (var name in new[] { "patient", "code", "date", "category", "status" }.Where(name => SearchDefinitions.Find(type, name) is not null))
                {
                    chart.Search(SearchTests.Read(type, new SearchParameter(name + ":missing", "false")), null, _ => true);
                }
            }
        }
    }

    [Fact]
    public void Indexes_that_outgrow_the_resources_are_dropped_and_made_again()
    {
        // Many small resources with long texts of their own: an index of each would be larger than they are.
        var chart = SearchTests.ChartOf(Enumerable.Range(0, 3000).Select(i => Observation($"o{i}", $"code-{i}-{new string('x', 60)}", Days[i % 6], i)));

        for (var round = 0; round < 3; round++)
        {
            SearchTests.Find(chart, "Observation", new SearchParameter("code", $"code-7-{new string('x', 60)}")).ShouldBe(["o7"]);
            chart.IndexBytes.ShouldBeLessThanOrEqualTo(Math.Max(Chart.IndexBytesFree, chart.Bytes / Chart.IndexPart));
        }
    }

    [Fact]
    public void Dates_without_an_offset_are_those_of_the_hospital()
    {
        var chicago = TimeZoneInfo.FindSystemTimeZoneById("America/Chicago");
        var chart = new Chart(chicago);
        chart.Put(Observation("late", "a", "2024-06-01T03:30:00Z", 1));
        var context = new ChartContext(chicago, DateTimeOffset.UnixEpoch, "");
        ChartQuery.TryParse("Observation", [new("date", "2024-05-31")], context, SearchHandling.Strict, out var query, out _).ShouldBeTrue();

        chart.Search(query!, null, _ => true).Matches.ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData("date", "o0,o1,o2,o3")]
    [InlineData("-date", "o2,o1,o0,o3")]
    [InlineData("code,-date", "o1,o0,o2,o3")]
    [InlineData("-value-quantity", "o3,o2,o1,o0")]
    [InlineData("_id", "o0,o1,o2,o3")]
    [InlineData("-_id", "o3,o2,o1,o0")]
    public void Sorting_goes_by_each_key_in_turn_and_puts_what_has_no_value_last(string sort, string expected)
    {
        var chart = SearchTests.ChartOf(
            [Observation("o0", "a", "2024-01-01", 1), Observation("o1", "a", "2024-02-01", 2), Observation("o2", "b", "2024-03-01", 3), Observation("o3", "c", null, 4)]);

        SearchTests.Find(chart, "Observation", new SearchParameter("_sort", sort), new SearchParameter("_count", "3")).ShouldBe(expected.Split(','));
    }

    [Fact]
    public void Includes_bring_what_is_referred_to_once_and_follow_on_when_asked_to()
    {
        var chart = SearchTests.ChartOf(
        [
            Entry("""{"resourceType":"MedicationRequest","id":"m1","subject":{"reference":"Patient/p"},"medicationReference":{"reference":"Medication/d"}}"""),
            Entry("""{"resourceType":"MedicationRequest","id":"m2","subject":{"reference":"Patient/p"},"medicationReference":{"reference":"Medication/d"}}"""),
            Entry("""{"resourceType":"Medication","id":"d","manufacturer":{"reference":"Organization/o"}}"""),
            Entry("""{"resourceType":"Organization","id":"o","partOf":{"reference":"Organization/above"}}"""),
            Entry("""{"resourceType":"Organization","id":"above"}"""),
            Entry("""{"resourceType":"Patient","id":"p"}"""),
            Entry("""{"resourceType":"Provenance","id":"v","target":[{"reference":"MedicationRequest/m2"}]}"""),
        ]);

        Included(("_include", "MedicationRequest:medication")).ShouldBe(["d"]);
        Included(("_include", "MedicationRequest:*")).ShouldBe(["d", "p"], ignoreOrder: true);
        Included(("_include", "MedicationRequest:subject:Group")).ShouldBeEmpty();
        Included(("_include", "MedicationRequest:medication"), ("_include:iterate", "Medication:manufacturer")).ShouldBe(["d", "o"]);
        Included(("_include", "MedicationRequest:medication"), ("_include:iterate", "Medication:manufacturer"), ("_include:iterate", "Organization:partof"))
            .ShouldBe(["d", "o", "above"]);
        Included(("_revinclude", "Provenance:target")).ShouldBe(["v"]);
        Included(("_include", "*"), ("_revinclude", "*")).ShouldBe(["d", "p", "v"], ignoreOrder: true);

        string[] Included(params (string Name, string Value)[] parameters) =>
        [
            .. chart.Search(SearchTests.Read("MedicationRequest", [.. parameters.Select(p => new SearchParameter(p.Name, p.Value))]), null, _ => true)
                .Included.Select(e => e.Id),
        ];
    }

    [Theory]
    [InlineData("_summary", "true", "resourceType,id,meta,status,code,subject,effectiveDateTime,valueQuantity")]
    [InlineData("_summary", "text", "resourceType,id,meta,text,status,code")]
    [InlineData("_summary", "data", "resourceType,id,meta,status,code,subject,effectiveDateTime,valueQuantity,note")]
    [InlineData("_elements", "value,note", "resourceType,id,meta,status,code,valueQuantity,note")]
    public void A_part_of_a_resource_keeps_what_was_asked_for_and_says_that_it_is_one(string name, string value, string expected)
    {
        var whole = Entry(
            """
            {"resourceType":"Observation","id":"o","meta":{"versionId":"3","tag":[{"code":"kept"}]},"text":{"status":"empty","div":"<div/>"},"status":"final",
            "code":{"text":"x"},"subject":{"reference":"Patient/p"},"effectiveDateTime":"2024","valueQuantity":{"value":1.50},"note":[{"text":"n"}]}
            """);
        var query = SearchTests.Read("Observation", new SearchParameter(name, value));
        var output = new System.Buffers.ArrayBufferWriter<byte>();

        ChartWriter.WriteResource(output, whole, query.Detail, query.Elements);

        using var part = JsonDocument.Parse(output.WrittenMemory);
        part.RootElement.EnumerateObject().Select(e => e.Name).ShouldBe(expected.Split(','), ignoreOrder: true);
        part.RootElement.GetProperty("meta").GetProperty("tag").EnumerateArray().Select(t => t.GetProperty("code").GetString()).ShouldBe(["kept", "SUBSETTED"]);
        part.RootElement.GetProperty("meta").GetProperty("versionId").GetString().ShouldBe("3");
    }

    [Theory]
    [InlineData("date", "2024-13")]
    [InlineData("date", "xx2024")]
    [InlineData("date", "2024-05-31T25:00")]
    [InlineData("code", "a|b|c")]
    [InlineData("code", "a,,b")]
    [InlineData("code:exact", "a")]
    [InlineData("code:missing", "yes")]
    [InlineData("code:in", "http://x")]
    [InlineData("value-quantity", "many")]
    [InlineData("value-quantity", "5|mg")]
    [InlineData("value-quantity", "1e400")]
    [InlineData("subject:Bear", "x")]
    [InlineData("subject:Patient", "Group/x")]
    [InlineData("_sort", "date,nonsense")]
    [InlineData("_count", "-1")]
    [InlineData("_count", "many")]
    [InlineData("_summary", "maybe")]
    [InlineData("_total", "some")]
    [InlineData("_elements", "a b")]
    [InlineData("_include", "Observation:code")]
    [InlineData("_include", "Observation")]
    [InlineData("_include:code", "Observation:subject")]
    [InlineData("_revinclude", "Bear:target")]
    [InlineData("status", "")]
    [InlineData("nonsense", "x")]
    [InlineData("subject.name", "x")]
    [InlineData("_has:Group:member:_id", "x")]
    public void What_cannot_be_searched_is_refused_by_name_without_its_value(string name, string value)
    {
        var context = new ChartContext(TimeZoneInfo.Utc, DateTimeOffset.UnixEpoch, "https://gateway/fhir/st-mary");
        ChartQuery.TryParse("Observation", [new(name, value), new("_id:below", "other")], context, SearchHandling.Strict, out _, out var issues).ShouldBeFalse();

        issues.Count.ShouldBe(2);
        issues[0].Expression.ShouldBe($"http.{name}");
        OperationOutcomes.Write(issues).Length.ShouldBeGreaterThan(0);
        if (value.Length > 3)
        {
            issues[0].Diagnostics.ShouldNotContain(value);
        }
    }

    [Fact]
    public void Every_search_parameter_of_US_Core_is_there()
    {
        // Race and ethnicity are parameters that R4 does not have and no server has to have.
        var missing = UsCore.Files("package/SearchParameter-").Select(file => JsonNode.Parse(file.Json)!)
            .SelectMany(p => p["base"]!.AsArray().Select(type => (Type: (string)type!, Name: (string)p["code"]!)))
            .Where(p => SearchDefinitions.Find(p.Type, p.Name) is null && p.Name is not ("race" or "ethnicity" or "gender-identity"));

        missing.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("Patient", "family", "Alv", "Patient.name=alv")]
    [InlineData("Patient", "given", "Alvarez", "Patient.name=alvare")]
    [InlineData("Patient", "birthdate", "1974-12", "Patient.birthdate=1974-12")]
    [InlineData("Patient", "identifier", "urn:mrn|A1", "Patient.identifier=urn:mrn|a1")]
    [InlineData("Patient", "identifier", "A1", "Patient.identifier=|a1")]
    [InlineData("Patient", "gender", "female", null)]
    [InlineData("Patient", "name:contains", "alv", null)]
    [InlineData("Patient", "birthdate", "ge1974", null)]
    [InlineData("Location", "address-city", "Madison", "Location.address=madiso")]
    public void What_is_searched_over_a_tenant_has_the_terms_that_are_stored(string type, string name, string value, string? expected)
    {
        var wanted = ChartTerms.WantedBy(SearchTests.Read(type, new SearchParameter(name, value)));

        wanted.SelectMany(any => any).Select(t => $"{t.Parameter}={t.Value}").ShouldBe(expected is null ? [] : [expected]);
        if (type == "Patient" && expected is not null)
        {
            var stored = ChartTerms.Of(
                "Patient",
                """
                {"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"A1"}],"name":[{"family":"ÁLVAREZ"}],"birthDate":"1974-12-25"}
                """u8.ToArray());
            stored.ShouldContain(wanted[0][0]);
        }
    }

    private static string[] Ask(Chart chart) =>
    [
        string.Join(',', SearchTests.Find(chart, "Observation", new SearchParameter("code", "urn:c|A,c"), new SearchParameter("_count", "4"))),
        string.Join(',', SearchTests.Find(chart, "Observation", new SearchParameter("date", "ge2024-05"), new SearchParameter("code:not", "b"))),
        string.Join(',', SearchTests.Find(chart, "Observation", new SearchParameter("value-quantity", "lt20"), new SearchParameter("_sort", "-date,code"))),
        string.Join(',', SearchTests.Find(chart, "Observation", new SearchParameter("date:missing", "true"))),
    ];

    private static ChartEntry Observation(string id, string code, string? date, int value) => Entry(
        $$"""
        {"resourceType":"Observation","id":"{{id}}","code":{"coding":[{"system":"urn:c","code":"{{code}}"}]},{{(date is null ? "" : $"\"effectiveDateTime\":\"{date}\",")}}
        "valueQuantity":{"unit":"mg","value":{{value}} } }
        """);

    private static ChartEntry Entry(string json)
    {
        using var document = JsonDocument.Parse(json);
        return new ChartEntry(
            document.RootElement.GetProperty("resourceType").GetString()!,
            document.RootElement.GetProperty("id").GetString()!,
            1,
            DateTimeOffset.UnixEpoch,
            Encoding.UTF8.GetBytes(json));
    }
}

using EhrGrains.Fhir.V2;
using EhrGrains.Fhir.V2.Language;
using static EhrGrains.Fhir.Tests.V2.Mapped;

namespace EhrGrains.Fhir.Tests.V2;

/// <summary>The language of the rules (docs/decisions/0012), tried on a Z-segment.</summary>
public sealed class RuleLanguageTests
{
    [Theory]
    [InlineData("if ZAA-1", "x", true)]
    [InlineData("if ZAA-1", "", false)]
    [InlineData("if ZAA-1", "\"\"", false)]
    [InlineData("if ZAA-1", "^&^", false)]
    [InlineData("unless ZAA-1", "x", false)]
    [InlineData("if ZAA-1 is x y", "y", true)]
    [InlineData("if ZAA-1 is x y", "z", false)]
    [InlineData("if not ZAA-1 is x y", "z", true)]
    [InlineData("if ZAA-1 is \"a b\"", "a b", true)]
    [InlineData("if ZAA-1 longer 3", "abc", false)]
    [InlineData("if ZAA-1 longer 3", "abcd", true)]
    [InlineData("if ZAA-1 repeats", "a", false)]
    [InlineData("if ZAA-1 repeats", "a~b", true)]
    [InlineData("if ZAA-1.1 is a and ZAA-1.2 is b", "a^b", true)]
    [InlineData("if ZAA-1.1 is a and ZAA-1.2 is b", "a^c", false)]
    [InlineData("if ZAA-1.1 is a or ZAA-1.2 is b", "x^b", true)]
    [InlineData("unless ZAA-1.1 is a and ZAA-1.2 is b", "a^c", true)]
    [InlineData("unless ZAA-1.1 is a and ZAA-1.2 is b", "a^b", false)]
    [InlineData("unless ZAA-1.1 is a or ZAA-1.2 is b", "x^b", false)]
    [InlineData("if ZAA-1 unless ZAA-1.2", "a^b", false)]
    [InlineData("if PV1", "x", true)]
    [InlineData("if @Encounter", "x", true)]
    [InlineData("if @Coverage", "x", false)]
    [InlineData("if after PV1", "x", true)]
    [InlineData("if after PID", "x", false)]
    public void A_condition_holds_or_not(string condition, string value, bool holds)
    {
        var site = Site($"ZAA +> Patient\n  ZAA-9 address.text {condition}\n  ignore ZAA \"rest\"\n");

        (At(Patient(site, Segment("ZAA", (1, value), (9, "there"))), "address.0.text") == "there").ShouldBe(holds);
    }

    [Theory]
    [InlineData("ZAA-1|ZAA-2 birthDate", "2001||", "birthDate", "2001")]
    [InlineData("ZAA-1|ZAA-2 birthDate", "|2002", "birthDate", "2002")]
    [InlineData("\"{ZAA-1}-{ZAA-2}\" address.text", "a|b", "address.0.text", "a-b")]
    [InlineData("\"{ZAA-1}-{ZAA-2}\" address.text", "a|", "address", null)]
    [InlineData("ZAA-1.2.2 address.text", "a^b&c", "address.0.text", "c")]
    [InlineData("ZAA-1 multipleBirthInteger", "2", "multipleBirthInteger", "2")]
    [InlineData("ZAA-1 multipleBirthInteger", "2.5", "multipleBirthInteger", null)]
    [InlineData("ZAA-1 active", "N", "active", "False")]
    [InlineData("ZAA-1 photo.data", "QUJD", "photo.0.data", "QUJD")]
    [InlineData("ZAA-1 photo.url", "a b", "photo", null)]
    [InlineData("ZAA-1 address.line", "a~b~c", "address.0.line", """["a","b","c"]""")]
    [InlineData("ZAA-1 maritalStatus table MaritalStatus", "M", "maritalStatus.coding.0.display", "Married")]
    public void A_line_takes_a_value_to_an_element(string line, string fields, string path, string? expected) =>
        At(Patient(Site($"ZAA +> Patient\n  {line}\n  ignore ZAA \"rest\"\n"), $"ZAA|{fields}"), path).ShouldBe(expected);

    [Fact]
    public void A_block_makes_an_item_for_every_repetition()
    {
        var site = Site("ZAA +> Patient\n  ZAA-1 contact:\n    ZAA-1.1 name.text\n    ZAA-1.2 telecom:\n      ZAA-1.2 value\n      \"phone\" system\n");

        var patient = Patient(site, "ZAA|Ann^1~Bob~Cid^3");

        patient.GetProperty("contact").GetArrayLength().ShouldBe(3);
        At(patient, "contact.1.name.text").ShouldBe("Bob");
        At(patient, "contact.1.telecom").ShouldBeNull();
        At(patient, "contact.2.telecom.0.system").ShouldBe("phone");
    }

    [Fact]
    public void Several_values_of_one_text_can_be_joined_in_a_field_and_over_segments()
    {
        var site = Site("ZAA +> Patient\n  ZAA-1 maritalStatus.text joined \"; \"\n");

        At(By(site, [.. Rest, "ZAA|a~b"]).One("Patient"), "maritalStatus.text").ShouldBe("a; b");
        Should.Throw<Contracts.ProblemException>(() => V2Mapping.Compile(Site("ZAA +> Patient\n  ZAA-1 birthDate joined \"; \"\n")))
            .Problems.ShouldHaveSingleItem().Message.ShouldContain("joined");
    }

    [Fact]
    public void A_block_makes_an_extension_for_every_repetition_and_the_parts_of_an_extension_repeat()
    {
        var site = Site("""
            ZAA +> Patient
              ZAA-1 extension[https://a]:
                ZAA-1 extension[part].valueString
              ZAA   extension[https://b]:
                ZAA-2 .:
                  ZAA-2 extension[part].valueString
            """);

        var patient = Patient(site, "ZAA|1~2|3~4");

        At(patient, "extension.0.url").ShouldBe("https://a");
        At(patient, "extension.1.url").ShouldBe("https://a");
        At(patient, "extension.1.extension.0.valueString").ShouldBe("2");
        At(patient, "extension.2.url").ShouldBe("https://b");
        At(patient, "extension.2.extension.0.valueString").ShouldBe("3");
        At(patient, "extension.2.extension.1.valueString").ShouldBe("4");
    }

    [Fact]
    public void The_shared_rules_say_nothing_twice()
    {
        var faults = new List<RuleFault>();
        var reader = new RuleReader(faults);
        foreach (var (file, text) in SharedRules.All)
        {
            reader.Read(file, text);
        }

        reader.Rules.Tables.GroupBy(table => table.Name).Where(group => group.Count() > 1).Select(group => group.Key).ShouldBeEmpty();
        reader.Rules.Maps.GroupBy(map => (map.Source, map.Target, map.Name, string.Join(' ', map.Structures))).Where(group => group.Count() > 1)
            .Select(group => group.Key).ShouldBeEmpty();
    }

    [Fact]
    public void Named_items_of_a_list_are_one_thing_each()
    {
        var site = Site("ZAA +> Encounter\n  ZAA-1 identifier[a].value\n  ZAA-2 identifier[b].value\n  ZAA-3 identifier[a].use\n");

        var encounter = By(site, [.. Rest, "ZAA|1|2|usual"]).One("Encounter");

        At(encounter, "identifier.0.value").ShouldBe("1");
        At(encounter, "identifier.0.use").ShouldBe("usual");
        At(encounter, "identifier.1.value").ShouldBe("2");
    }

    [Fact]
    public void A_second_value_where_there_is_room_for_one_is_reported_and_alternatives_are_not()
    {
        var twice = By(Site("ZAA +> Patient\n  ZAA-1 birthDate\n"), [.. Rest, "ZAA|2001~2002"]);
        var either = By(Site("ZAA +> Patient\n  ZAA-1 birthDate\n  ZAA-2 birthDate\n"), [.. Rest, "ZAA|2001|2002"]);

        twice.Exceptions.ShouldBe([(MappingExceptionKinds.TooMany, "ZAA-1")]);
        At(twice.One("Patient"), "birthDate").ShouldBe("2001");
        either.Exceptions.ShouldBeEmpty();
        At(either.One("Patient"), "birthDate").ShouldBe("2001");
    }

    [Fact]
    public void A_field_refers_to_the_resource_that_it_makes_and_two_fields_to_the_same()
    {
        var site = Site("ZAA +> Patient\n  ZAA-1 generalPractitioner XCN -> Practitioner\n  ZAA-2 generalPractitioner XCN -> Practitioner\n");

        var mapped = By(site, [.. Rest, "ZAA|7^HOUSE|7^^GREGORY"]);

        var practitioner = mapped.One("Practitioner");
        At(practitioner, "identifier.0.value").ShouldBe("7");
        At(mapped.One("Patient"), "generalPractitioner.0.reference").ShouldBe("Practitioner/" + At(practitioner, "id"));
        At(mapped.One("Patient"), "generalPractitioner.1.reference").ShouldBe("Practitioner/" + At(practitioner, "id"));
    }

    [Fact]
    public void A_resource_refers_to_others_whichever_came_first()
    {
        var site = Site("""
            ZAA -> Flag
              key     ZAA-1
              "active" status
              ZAA-1   code    CWE
              @Patient   subject
              @Encounter encounter
              @Coverage  author
              @self   @Patient.managingOrganization
            """);

        var mapped = By(site, Admission, "ZAA|x^y", "PID|1||1^^^H^MR", "PV1|1|I");

        var flag = mapped.One("Flag");
        At(flag, "subject.reference").ShouldBe("Patient/patient-0");
        At(flag, "encounter.reference").ShouldStartWith("Encounter/");
        flag.TryGetProperty("author", out _).ShouldBeFalse();
        At(mapped.One("Patient"), "managingOrganization.reference").ShouldBe("Flag/" + At(flag, "id"));
    }

    private static string[] Rest => [Admission, "PID|1||1^^^H^MR", "PV1|1|I"];

    private static SiteLayer Site(string rules) => new() { Rules = rules };

    private static System.Text.Json.JsonElement Patient(SiteLayer site, string segment) => By(site, [.. Rest, segment]).One("Patient");
}

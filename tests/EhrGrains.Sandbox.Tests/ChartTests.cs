using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace EhrGrains.Sandbox.Tests;

/// <summary>What is in the charts: the same from the same seed, marked, and with each vendor's habits.</summary>
public sealed partial class ChartTests(Hospitals hospitals) : IClassFixture<Hospitals>
{
    private static readonly string[] PatientTypes =
    [
        "Encounter", "Condition", "Observation", "AllergyIntolerance", "MedicationRequest", "DiagnosticReport", "DocumentReference",
        "Coverage",
    ];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_same_seed_makes_the_same_bytes_and_another_seed_does_not()
    {
        var (first, again, other) = (await DumpAsync(7), await DumpAsync(7), await DumpAsync(8));

        first.ShouldBe(again);
        first.ShouldNotBe(other);
    }

    [Fact]
    public async Task More_patients_do_not_change_those_that_were_there_before()
    {
        await using var few = await Hospitals.StartAsync(new SandboxOptions { Patients = 10 });
        await using var more = await Hospitals.StartAsync(new SandboxOptions { Patients = 20 });

        var (_, one) = await few.ReadAsync(few.Oracle, "Patient/12703000", await few.TokenAsync(few.Oracle, "Patient"));
        var (_, two) = await more.ReadAsync(more.Oracle, "Patient/12703000", await more.TokenAsync(more.Oracle, "Patient"));

        one.ToJsonString().ShouldBe(two.ToJsonString());
    }

    [Fact]
    public async Task Every_site_has_its_patients_and_some_15_to_40_resources_for_each()
    {
        await using var full = await Hospitals.StartAsync(new SandboxOptions { Patients = 200 });
        var token = await full.TokenAsync(full.Oracle, [.. PatientTypes, "Patient"]);

        var patients = (await full.PagesAsync(full.Oracle, "Patient?family=Vexmoor&_count=100", token))
            .SelectMany(Hospitals.Ids).Distinct().ToArray();
        patients.Length.ShouldBe(200);

        var sizes = new List<int>();
        foreach (var patient in patients.Take(12))
        {
            var size = 1;
            foreach (var type in PatientTypes)
            {
                size += (await full.PagesAsync(full.Oracle, $"{type}?patient={patient}&_count=100", token))
                    .SelectMany(Hospitals.Ids).Distinct().Count();
            }

            sizes.Add(size);
        }

        sizes.Order().ElementAt(6).ShouldBeInRange(12, 40);
    }

    [Fact]
    public async Task Every_family_name_and_record_number_carries_its_marker()
    {
        foreach (var site in hospitals.All)
        {
            foreach (var patient in await PatientsAsync(site))
            {
                foreach (var name in patient["name"]!.AsArray())
                {
                    ((string)name!["family"]!).ShouldStartWith("Vexmoor");
                }

                patient["identifier"]!.ToJsonString().ShouldContain("VXMRN");
            }
        }
    }

    [Fact]
    public async Task The_first_patients_are_the_same_people_at_all_three_hospitals()
    {
        var search = hospitals.Epic.SharedPatientSearch!;
        hospitals.Oracle.SharedPatientSearch.ShouldBe(search);
        hospitals.Athena.SharedPatientSearch.ShouldBe(search);
        foreach (var site in hospitals.All)
        {
            var practice = site.Vendor == "athenahealth" ? "&" + Hospitals.Practice(site) : "";
            var (status, bundle) = await hospitals.ReadAsync(site, search + practice, await hospitals.TokenAsync(site, "Patient"));
            status.ShouldBe(200);
            Hospitals.Matches(bundle).ShouldNotBeEmpty();
        }
    }

    [Fact]
    public async Task Epic_writes_types_by_text_masks_numbers_and_knows_no_meta()
    {
        var patient = (await PatientsAsync(hospitals.Epic))[0];
        var identifiers = patient["identifier"]!.AsArray();

        identifiers.Select(identifier => (string?)identifier!["type"]?["text"])
            .ShouldBe(["EPI", "EXTERNAL", "INTERNAL", "FHIR", "MYCHARTLOGIN", null]);
        ((string)identifiers[2]!["value"]!).ShouldStartWith("  ");
        identifiers[5]!["value"].ShouldBeNull();
        ((string)identifiers[5]!["_value"]!["extension"]![0]!["url"]!).ShouldEndWith("/rendered-value");
        patient["meta"].ShouldBeNull();
    }

    [Fact]
    public async Task Epic_ids_are_longer_and_other_than_FHIR_allows_and_differ_by_case()
    {
        var token = await hospitals.TokenAsync(hospitals.Epic, "Observation", "Condition", "Practitioner", "Encounter");
        var patient = hospitals.Epic.LongChartPatientId;
        var (_, observations) = await hospitals.ReadAsync(hospitals.Epic, $"Observation?patient={patient}&category=laboratory", token);
        var (_, conditions) = await hospitals.ReadAsync(hospitals.Epic, $"Condition?patient={patient}", token);
        var (_, practitioners) = await hospitals.ReadAsync(hospitals.Epic, "Practitioner?family=Vexmoor", token);
        var (_, encounters) = await hospitals.ReadAsync(hospitals.Epic, $"Encounter?patient={patient}", token);

        Hospitals.Ids(observations).ShouldAllBe(id => id.Length > 64);
        Hospitals.Ids(conditions).ShouldAllBe(id => id.Contains('_'));
        var ids = Hospitals.Ids(practitioners);
        ids.Distinct(StringComparer.Ordinal).Count().ShouldBe(ids.Count);
        ids.Distinct(StringComparer.OrdinalIgnoreCase).Count().ShouldBeLessThan(ids.Count);
        Hospitals.Matches(encounters).Where(encounter => encounter["class"] is not null)
            .ShouldAllBe(encounter => (string?)encounter["class"]!["system"] == "urn:oid:1.2.840.114350.1.72.1.7.7.10.696784.13260");
    }

    [Fact]
    public async Task Epic_names_a_medication_by_reference_that_can_be_read()
    {
        var token = await hospitals.TokenAsync(hospitals.Epic, "MedicationRequest", "Medication");
        foreach (var patient in await PatientsAsync(hospitals.Epic))
        {
            var (status, bundle) = await hospitals.ReadAsync(hospitals.Epic, $"MedicationRequest?patient={(string)patient["id"]!}", token);
            if (status == 200 && Hospitals.Matches(bundle) is [var request, ..])
            {
                var (found, medication) = await hospitals.ReadAsync(
                    hospitals.Epic, (string)request["medicationReference"]!["reference"]!, token);
                found.ShouldBe(200);
                medication["code"].ShouldNotBeNull();
                return;
            }
        }

        Assert.Fail("No patient has a medication.");
    }

    [Fact]
    public async Task Oracle_puts_its_own_coding_first_and_contains_locations()
    {
        var token = await hospitals.TokenAsync(hospitals.Oracle, "Observation", "Encounter", "DocumentReference");
        var patient = hospitals.Oracle.LongChartPatientId;
        var (_, observations) = await hospitals.ReadAsync(hospitals.Oracle, $"Observation?patient={patient}&category=laboratory", token);
        var (_, encounters) = await hospitals.ReadAsync(hospitals.Oracle, $"Encounter?patient={patient}", token);

        foreach (var observation in Hospitals.Matches(observations))
        {
            var codings = observation["code"]!["coding"]!.AsArray();
            ((string)codings[0]!["system"]!).ShouldContain("/codeSet/");
            ((bool)codings[0]!["userSelected"]!).ShouldBeTrue();
            ((string)codings[1]!["system"]!).ShouldBe("http://loinc.org");
        }

        Hospitals.Matches(encounters).ShouldAllBe(encounter =>
            (string?)encounter["contained"]![0]!["resourceType"] == "Location"
                && (string?)encounter["location"]![0]!["location"]!["reference"] == "#loc1");
        (await hospitals.GetAsync(hospitals.Oracle, "Medication/12700001", token)).StatusCode.ShouldBe(System.Net.HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Oracle_attachments_are_absolute_and_can_be_read()
    {
        var site = hospitals.Oracle;
        var token = await hospitals.TokenAsync(site, "DocumentReference", "Binary");
        foreach (var patient in await PatientsAsync(site))
        {
            var (_, documents) = await hospitals.ReadAsync(site, $"DocumentReference?patient={(string)patient["id"]!}", token);
            if (Hospitals.Matches(documents) is [var document, ..])
            {
                var url = (string)document["content"]![0]!["attachment"]!["url"]!;
                url.ShouldStartWith(site.FhirBaseUrl + "/Binary/");
                var (status, binary) = await hospitals.ReadAsync(site, url, token);
                status.ShouldBe(200);
                ((string)binary["contentType"]!).ShouldBe("text/html");
                return;
            }
        }

        Assert.Fail("No patient has a document.");
    }

    [Fact]
    public async Task A_merged_patient_is_read_but_never_found()
    {
        // Patient 11 has a second record.
        var token = await hospitals.TokenAsync(hospitals.Oracle, "Patient");
        var (status, away) = await hospitals.ReadAsync(hospitals.Oracle, "Patient/12711999", token);

        status.ShouldBe(200);
        ((bool)away["active"]!).ShouldBeFalse();
        ((string)away["link"]![0]!["type"]!).ShouldBe("replaced-by");
        var found = (await hospitals.PagesAsync(hospitals.Oracle, "Patient?family=Vexmoor", token)).SelectMany(Hospitals.Ids);
        found.ShouldContain("12711000");
        found.ShouldNotContain("12711999");
    }

    [Fact]
    public async Task Athena_ids_say_practice_and_kind_and_providers_are_absolute()
    {
        foreach (var patient in await PatientsAsync(hospitals.Athena))
        {
            ((string)patient["id"]!).ShouldMatch(@"^a-195900\.E-\d+$");
            ((string)patient["generalPractitioner"]![0]!["reference"]!).ShouldStartWith(hospitals.Athena.FhirBaseUrl + "/Practitioner/");
            ((string)patient["extension"]![0]!["valueReference"]!["reference"]!).ShouldBe("Organization/a-1.Practice-195900");
        }
    }

    private async Task<IReadOnlyList<JsonNode>> PatientsAsync(SandboxSite site) => await PatientsAsync(hospitals, site);

    private static async Task<IReadOnlyList<JsonNode>> PatientsAsync(Hospitals hospitals, SandboxSite site)
    {
        var token = await hospitals.TokenAsync(site, "Patient");
        var ids = (await hospitals.PatientsAsync(site)).Select(patient => (string)patient["id"]!);
        var path = site.Vendor switch
        {
            "epic" => "Patient?_count=100&_id=" + string.Join(',', ids),
            "athenahealth" => $"Patient?name=Vexmoor&_count=100&{Hospitals.Practice(site)}",
            _ => "Patient?family=Vexmoor&_count=100",
        };
        return [.. (await hospitals.PagesAsync(site, path, token)).SelectMany(Hospitals.Matches)];
    }

    private static async Task<string> DumpAsync(int seed)
    {
        await using var hospitals = await Hospitals.StartAsync(new SandboxOptions { Seed = seed, Patients = 9 });
        var dump = new List<string>();
        foreach (var site in hospitals.All)
        {
            var token = await hospitals.TokenAsync(site, [.. PatientTypes, "Patient"]);
            foreach (var patient in await PatientsAsync(hospitals, site))
            {
                dump.Add(patient.ToJsonString());
                foreach (var type in PatientTypes)
                {
                    var filter = type switch
                    {
                        "Observation" => "&category=laboratory,vital-signs,social-history",
                        "MedicationRequest" when site.Vendor == "athenahealth" => "&intent=order",
                        _ => "",
                    };
                    var practice = site.Vendor == "athenahealth" ? "&" + Hospitals.Practice(site) : "";
                    using var response = await hospitals.GetAsync(
                        site, $"{type}?patient={(string)patient["id"]!}{filter}{practice}&_count=100", token);
                    response.IsSuccessStatusCode.ShouldBeTrue($"{site.Vendor} {type}");
                    var text = await response.Content.ReadAsStringAsync(Cancel);
                    JsonNode.Parse(text).ShouldNotBeNull();
                    dump.Add(Next().Replace(text, "next"));
                }
            }
        }

        // Ports are the operating system's.
        return Port().Replace(string.Join('\n', dump), "127.0.0.1");
    }

    [GeneratedRegex(@"127\.0\.0\.1:\d+", RegexOptions.None, 10_000)]
    private static partial Regex Port();

    [GeneratedRegex("(sessionID|pageContext|cursor)=[^\"]+", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Next();
}

using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Tables;

namespace EhrGrains.Sandbox.Tests;

/// <summary>The hospitals' HL7 v2 feeds, and their receivers, on real sockets.</summary>
public sealed class FeedTests(Hospitals hospitals) : IClassFixture<Hospitals>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("epic", "EPIC", "STMARY")]
    [InlineData("oracle-health", "HNAM", "LAKESIDE")]
    [InlineData("athenahealth", "ATHENANET", "195900")]
    public async Task A_feed_tells_of_the_patients_of_the_FHIR_side_in_messages_without_a_fault(string vendor, string application, string facility)
    {
        var site = hospitals.Site(vendor);
        await using var listener = new Interface();
        await RunAsync(site, new { host = "127.0.0.1", port = listener.Port, messagesPerSecond = 0, count = 900 });
        var patients = (await hospitals.PatientsAsync(site)).ToDictionary(patient => (string)patient["recordNumber"]!, patient => patient);
        var token = await hospitals.TokenAsync(site, "Encounter", "DiagnosticReport");
        var (triggers, types, visits) = (new HashSet<string>(), new HashSet<string>(), new Dictionary<string, string>());
        foreach (var bytes in listener.Messages)
        {
            // athenahealth's MSH-18 is empty, though names are not ASCII.
            using var message = Hl7Message.Parse(bytes, vendor == "athenahealth" ? Hl7ReadOptions.Tolerant : Hl7ReadOptions.Strict);
            message.Warnings.ShouldAllBe(warning => warning.Code == Hl7WarningCode.CharacterSetMismatch, Encoding.UTF8.GetString(bytes));
            Hl7Conformance.Check(message).ShouldBeEmpty(Encoding.UTF8.GetString(bytes));
            (message["MSH-3"].GetString(), message["MSH-4.1"].GetString()).ShouldBe((application, facility));
            triggers.Add(message["MSH-9.2"].GetString());
            var patient = patients[message["PID-3[1].1"].GetString()];
            message["PID-3[2].1"].GetString().ShouldBe((string)patient["id"]!);
            message["PID-5.1"].GetString().ShouldBe((string)patient["family"]!);
            message["PID-30"].GetString().ShouldBeOneOf("", "Y");
            if (message["MSH-9.1"].Is("ORU"))
            {
                (message["OBR-24"].GetString(), message["ORC-1"].GetString()).ShouldBe(("LAB", "RE"));
                message["OBR-25"].GetString().ShouldBeOneOf("F", "P");
            }

            if (message["MSH-9.2"].Is("A40"))
            {
                message["MRG-1.1"].GetString().ShouldBe((string)patient["mergedId"]!);
            }

            foreach (var segment in message.Segments)
            {
                if (segment.Is("OBX"))
                {
                    types.Add(segment[2].GetString());
                }
            }

            if (message["PV1-19.1"].HasValue)
            {
                visits.TryAdd(message["PV1-19.1"].GetString(), message["PID-3[2].1"].GetString());
            }
        }

        triggers.ShouldBe(["A01", "A02", "A03", "A04", "A05", "A08", "A11", "A13", "A31", "A40", "R01"], ignoreOrder: true);
        string[] modern = ["NM", "SN", "ST", "TX", "FT", "CWE", "DT", "TM", "DTM", "ED", "RP", "CX", "XPN", "NA", "MO"];
        types.Where(type => type.Length > 0).ShouldBe(
            vendor == "oracle-health" ? [.. modern.Except(["CWE", "DTM", "XPN"]), "CE", "TS", "PN"] : modern, ignoreOrder: true);
        foreach (var (visit, patient) in visits.Take(5))
        {
            var (status, encounter) = await hospitals.ReadAsync(site, "Encounter/" + visit, token);
            status.ShouldBe(200);
            ((string)encounter["subject"]!["reference"]!).ShouldEndWith("/" + patient);
        }
    }

    [Fact]
    public async Task The_same_run_is_the_same_messages_and_another_has_other_control_ids()
    {
        var runs = new List<string>();
        foreach (var run in (string[])["A", "A", "B"])
        {
            await using var listener = new Interface();
            await RunAsync(hospitals.Epic, new { host = "127.0.0.1", port = listener.Port, messagesPerSecond = 0, count = 50, run });
            runs.Add(string.Concat(listener.Messages.Select(Encoding.UTF8.GetString)));
        }

        runs[1].ShouldBe(runs[0]);
        runs[2].ShouldNotBe(runs[0]);
        runs[2].Replace("|B00000", "|A00000", StringComparison.Ordinal).ShouldBe(runs[0]);
    }

    [Fact]
    public async Task Whatever_goes_wrong_on_the_line_everything_is_acknowledged_in_order()
    {
        var receiver = await PutAsync(hospitals.Oracle, "receiver", new
        {
            faults = new object[]
            {
                new { kind = "ae", every = 7 }, new { kind = "no-ack", every = 11 }, new { kind = "disconnect", every = 13 },
                new { kind = "late-ack", every = 17, milliseconds = 50 },
            },
        });
        var feed = await RunAsync(hospitals.Epic, new
        {
            host = "127.0.0.1",
            port = (int)receiver["port"]!,
            messagesPerSecond = 0,
            count = 60,
            run = "W",
            acknowledgementTimeoutMilliseconds = 150,
            faults = new object[] { new { kind = "lost-ack", every = 9 }, new { kind = "disconnect", every = 10 }, new { kind = "odd-framing", every = 3 } },
        });

        var expected = Enumerable.Range(1, 60).Select(n => $"W{n:D7}").ToArray();
        Ids(feed).ShouldBe(expected);
        ((int)feed["sent"]!, (int)feed["acknowledged"]!, (int)feed["refused"]!).ShouldBe((60, 60, 0));
        ((int)feed["resent"]!).ShouldBe((int)feed["deferred"]! + (int)feed["timeouts"]! + (int)feed["disconnects"]!);
        ((int)feed["deferred"]!).ShouldBePositive();
        ((int)feed["timeouts"]!).ShouldBePositive();
        var heard = (await hospitals.Http.GetFromJsonAsync<JsonNode>(hospitals.Oracle.AdminUrl + "/receiver", Cancel))!;
        Ids(heard).Distinct().ShouldBe(expected);
        ((int)heard["received"]!).ShouldBeGreaterThan(60);
    }

    [Fact]
    public async Task Each_fault_of_the_sender_is_one()
    {
        await using var listener = new Interface();
        await RunAsync(hospitals.Athena, new
        {
            host = "127.0.0.1",
            port = listener.Port,
            messagesPerSecond = 0,
            count = 6,
            run = "F",
            faults = new object[] { new { kind = "resend", every = 6 }, new { kind = "reorder", every = 2 }, new { kind = "wrong-charset", every = 3 } },
        });

        string.Concat(listener.ControlIds.Select(id => id[^1])).ShouldBe("1325466");
        listener.Messages.Count(message => Encoding.UTF8.GetString(message).Split('\r')[0].EndsWith("|8859/1", StringComparison.Ordinal)).ShouldBe(3);
    }

    [Fact]
    public async Task What_is_refused_for_good_is_counted_and_not_sent_again()
    {
        await using var listener = new Interface("AR");
        var feed = await RunAsync(hospitals.Epic, new { host = "127.0.0.1", port = listener.Port, messagesPerSecond = 0, count = 5 });

        ((int)feed["refused"]!, (int)feed["acknowledged"]!, (int)feed["resent"]!).ShouldBe((5, 0, 0));
        listener.Messages.Count.ShouldBe(5);
    }

    [Fact]
    public async Task A_feed_can_be_stopped_and_begun_anew()
    {
        await using var listener = new Interface();
        await PutAsync(hospitals.Oracle, "feed", new { host = "127.0.0.1", port = listener.Port, messagesPerSecond = 0.001 });
        using var answer = await hospitals.Http.DeleteAsync(new Uri(hospitals.Oracle.AdminUrl + "/feed"), Cancel);
        ((bool)(await answer.Content.ReadFromJsonAsync<JsonNode>(Cancel))!["running"]!).ShouldBeFalse();

        var feed = await RunAsync(hospitals.Oracle, new { host = "127.0.0.1", port = listener.Port, messagesPerSecond = 0, count = 2 });
        ((int)feed["acknowledged"]!).ShouldBe(2);
    }

    [Fact]
    public async Task Wrong_settings_are_refused_all_at_once()
    {
        using var answer = await hospitals.Http.PutAsJsonAsync(
            hospitals.Epic.AdminUrl + "/feed", new { host = "", port = 0, messagesPerSecond = -1, count = 0, run = "no spaces", acknowledgementTimeoutMilliseconds = 1 }, Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        var detail = (string)(await answer.Content.ReadFromJsonAsync<JsonNode>(Cancel))!["detail"]!;
        foreach (var name in (string[])["host", "port", "messagesPerSecond", "count", "run", "acknowledgementTimeoutMilliseconds"])
        {
            detail.ShouldContain(name + ":");
        }
    }

    private async Task<JsonNode> RunAsync(SandboxSite site, object settings)
    {
        await PutAsync(site, "feed", settings);
        return (await hospitals.Http.GetFromJsonAsync<JsonNode>(site.AdminUrl + "/feed/ended", Cancel))!;
    }

    private async Task<JsonNode> PutAsync(SandboxSite site, string what, object settings)
    {
        using var answer = await hospitals.Http.PutAsJsonAsync($"{site.AdminUrl}/{what}", settings, Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(Cancel));
        return (await answer.Content.ReadFromJsonAsync<JsonNode>(Cancel))!;
    }

    private static string[] Ids(JsonNode reading) => [.. reading["acknowledgedIds"]!.AsArray().Select(id => (string)id!)];
}

using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Contracts.Apps;
using EhrGrains.Storage.Paging;
using Microsoft.AspNetCore.Http;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Query;

public sealed class SearchTests(QueryCluster cluster) : IClassFixture<QueryCluster>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Cursors_lead_to_the_end_over_empty_pages_and_repeated_resources()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        using var app = cluster.EnterApp();
        (await EveryIdAsync(hospital)).Distinct().Count().ShouldBe(45);
    }

    [Fact]
    public async Task Links_too_long_for_a_cursor_are_kept_and_the_cursor_stays_short()
    {
        var padding = new string('x', 900);
        await using var hospital = await FhirHospital.OpenAsync(cluster, setUp: h => h.NextLink = page => $"?session={padding}&page={page}");
        using var app = cluster.EnterApp();
        (await EveryIdAsync(hospital)).Distinct().Count().ShouldBe(45);

        // What nobody waited for is in the table when the silos have ended.
        await Task.WhenAll(new[] { 0, 1 }.Select(silo => cluster.Silo(silo).GetRequiredService<PagingTable>().StopAsync(Ct)));
        (await CountAsync("paging_position", hospital.Tenant.Value)).ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task An_answer_is_normalized_and_says_what_was_really_asked()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        using var app = cluster.EnterApp();
        var search = hospital.Search() with { Parameters = [new("name", "a b"), new("nonsense", "x")] };
        var response = await hospital.Queries().SearchAsync(search, Ct);
        response.Status.ShouldBe(200);
        var bundle = JsonNode.Parse(response.Body)!;
        ((int)bundle["total"]!).ShouldBe(45);
        ((string)bundle["link"]![0]!["url"]!).ShouldBe($"{hospital.GatewayBase}/Patient?name=a%20b");
        ((string)bundle["entry"]![0]!["fullUrl"]!).ShouldBe($"{hospital.GatewayBase}/Patient/p0");
        FhirHospital.Codes(response).ShouldBe(["EHR-PLN-007"]);
    }

    [Fact]
    public async Task A_read_carries_version_and_time()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        using var app = cluster.EnterApp();
        var response = await hospital.Queries().ReadAsync(hospital.Read("p7"), Ct);
        response.Status.ShouldBe(200);
        response.ETag.ShouldBe("W/\"3\"");
        response.LastModified.ShouldBe(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        ((string)JsonNode.Parse(response.Body)!["id"]!).ShouldBe("p7");
    }

    [Theory]
    [InlineData(404, "read", 404)]
    [InlineData(410, "read", 410)]
    [InlineData(403, "read", 403)]
    [InlineData(500, "read", 502)]
    [InlineData(302, "read", 502)]
    [InlineData(401, "read", 502)]
    [InlineData(422, "search", 400)]
    [InlineData(404, "page", 410)]
    public async Task What_a_hospital_answers_has_its_status_and_an_outcome(int status, string op, int expected)
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        using var app = cluster.EnterApp();
        var cursor = op == "page" ? FhirHospital.NextCursor(await hospital.Queries().SearchAsync(hospital.Search(), Ct)) : null;
        hospital.Instead = async (context, _) =>
        {
            context.Response.StatusCode = status;
            context.Response.ContentType = "application/fhir+json";
            await context.Response.WriteAsync(
                $$"""{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing","diagnostics":"{{FhirHospital.Marker}}"}]}""", Ct);
            return true;
        };
        var response = op == "read"
            ? await hospital.Queries().ReadAsync(hospital.Read("p1"), Ct)
            : await hospital.Queries().SearchAsync(hospital.Search(cursor), Ct);
        response.Status.ShouldBe(expected);
        FhirHospital.Codes(response).ShouldNotBeEmpty();
        Encoding.UTF8.GetString(response.Body).ShouldNotContain(FhirHospital.Marker);
    }

    [Fact]
    public async Task Paging_that_never_ends_is_stopped_and_said()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster, setUp: h => h.NextLink = _ => "?page=2&always=the-same");
        using var app = cluster.EnterApp();
        var response = await hospital.Queries().SearchAsync(hospital.Search(), Ct);
        var second = await hospital.Queries().SearchAsync(hospital.Search(FhirHospital.NextCursor(response)), Ct);
        FhirHospital.NextCursor(second).ShouldBeNull();
        FhirHospital.Codes(second).ShouldContain("EHR-QRY-012");
        hospital.Requests.ShouldBe(2);
    }

    [Fact]
    public async Task A_next_link_to_another_server_is_an_error_and_nothing_is_sent_there()
    {
        await using var foreign = await FhirHospital.OpenAsync(cluster);
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        hospital.NextLink = _ => $"{foreign.Url}/r4/Patient?page=2";
        using var app = cluster.EnterApp();
        var response = await hospital.Queries().SearchAsync(hospital.Search(), Ct);
        response.Status.ShouldBe(200);
        var second = await hospital.Queries().SearchAsync(hospital.Search(FhirHospital.NextCursor(response)), Ct);
        second.Status.ShouldBe(502);
        FhirHospital.Codes(second).ShouldBe(["EHR-PLN-015"]);
        foreign.Requests.ShouldBe(0);
    }

    [Theory]
    [InlineData("system/Patient.rs", "system/Patient.rs", "Patient", 200)]
    [InlineData("system/*.s", "system/Patient.s", "Patient", 200)]
    [InlineData("system/Patient.read", "system/*.rs", "Patient", 200)]
    [InlineData("system/Patient.r", "system/*.rs", "Patient", 403)]
    [InlineData("system/*.rs", "system/Patient.r", "Patient", 403)]
    [InlineData("system/Observation.rs", "system/*.rs", "Patient", 403)]
    [InlineData("system/*.rs", "system/Observation.rs", "Patient", 403)]
    [InlineData("system/Patient.rs?name=a", "system/*.rs", "Patient", 403)]
    [InlineData("user/Patient.rs", "system/*.rs", "Patient", 403)]
    [InlineData("system/*.rs", "system/*.rs", "Nonsense", 404)]
    [InlineData("system/*.rs", "system/*.rs", "Patient?x", 404)]
    public async Task A_search_needs_the_scope_in_the_token_and_in_the_grant(string token, string grant, string type, int expected)
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster, grant: [grant]);
        using var app = cluster.Enter("app", AppRole.Application, token);
        var response = await hospital.Queries().SearchAsync(hospital.Search(type: type), Ct);
        response.Status.ShouldBe(expected);
        hospital.Requests.ShouldBe(expected == 200 ? 1 : 0);
    }

    [Fact]
    public async Task Without_an_audit_trail_the_hospital_is_not_even_asked()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        using var app = cluster.EnterApp();
        (await hospital.Queries().SearchAsync(hospital.Search(), Ct)).Status.ShouldBe(200);
        await using (await LockDatabaseAsync())
        {
            var started = TimeProvider.System.GetTimestamp();
            var response = await hospital.Queries().SearchAsync(hospital.Search(), Ct);
            TimeProvider.System.GetElapsedTime(started).ShouldBeLessThan(TimeSpan.FromSeconds(2));
            response.Status.ShouldBe(503);
            response.RetryAfterSeconds.ShouldNotBeNull();
            Encoding.UTF8.GetString(response.Body).ShouldNotContain(FhirHospital.Marker);
        }

        hospital.Requests.ShouldBe(1);
    }

    [Fact]
    public async Task An_id_too_long_for_fhir_has_an_alias_that_reads_the_same_resource()
    {
        var longId = "p" + new string('/', 100);
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        string? asked = null;
        hospital.Instead = async (context, _) =>
        {
            asked = Uri.UnescapeDataString(context.Request.Path.Value!);
            var patient = $$"""{"resourceType":"Patient","id":"{{longId}}","name":[{"family":"a"}]}""";
            context.Response.ContentType = "application/fhir+json";
            await context.Response.WriteAsync(
                asked.EndsWith(longId, StringComparison.Ordinal)
                    ? patient
                    : $$"""{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{{patient}},"search":{"mode":"match"} }]}""",
                Ct);
            return true;
        };
        using var app = cluster.EnterApp();
        var alias = FhirHospital.Ids(await hospital.Queries(0).SearchAsync(hospital.Search(), Ct)).ShouldHaveSingleItem();
        alias.Length.ShouldBeLessThanOrEqualTo(64);

        var response = await hospital.Queries(1).ReadAsync(hospital.Read(alias), Ct);
        response.Status.ShouldBe(200);
        ((string)JsonNode.Parse(response.Body)!["id"]!).ShouldBe(alias);
        asked!.ShouldEndWith($"/Patient/{longId}");
        (await hospital.Queries().ReadAsync(hospital.Read("eg." + new string('a', 52)), Ct)).Status.ShouldBe(404);
    }

    [Fact]
    public async Task A_long_pause_that_a_hospital_asks_for_is_passed_on_and_kept_to()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        hospital.Instead = (context, _) =>
        {
            context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
            context.Response.Headers.RetryAfter = "60";
            return Task.FromResult(true);
        };
        using var app = cluster.EnterApp();
        var told = await hospital.Queries().ReadAsync(hospital.Read("p1"), Ct);
        (told.Status, told.RetryAfterSeconds).ShouldBe((429, 60));
        var next = await hospital.Queries().ReadAsync(hospital.Read("p1"), Ct);
        next.Status.ShouldBe(429);
        next.RetryAfterSeconds!.Value.ShouldBeInRange(50, 60);
        hospital.Requests.ShouldBe(1);
    }

    [Fact]
    public async Task An_outcome_that_cannot_be_written_is_counted_and_the_answer_still_comes()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        SqliteConnection? held = null;
        hospital.Instead = async (_, _) =>
        {
            held = await LockDatabaseAsync();
            return false;
        };
        var lost = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Name == "ehrgrains.audit.outcome.lost")
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => lost.TrySetResult());
        listener.Start();
        using var app = cluster.EnterApp();
        try
        {
            (await hospital.Queries().ReadAsync(hospital.Read("p1"), Ct)).Status.ShouldBe(200);
            await lost.Task.WaitAsync(TimeSpan.FromSeconds(10), Ct);
        }
        finally
        {
            await held!.DisposeAsync();
        }
    }

    [Fact]
    public async Task The_intent_is_committed_before_the_hospital_is_asked_and_the_outcome_follows()
    {
        await using var hospital = await FhirHospital.OpenAsync(cluster);
        string[] before = [];
        hospital.Instead = async (_, _) =>
        {
            before = await AuditAsync(hospital.Tenant.Value);
            return false;
        };
        using var app = cluster.EnterApp();
        (await hospital.Queries().ReadAsync(hospital.Read("p7"), Ct)).Status.ShouldBe(200);
        before[^1].ShouldBe("read intent");

        // The trail is in order: the outcome of the first comes before the intent of the second.
        (await hospital.Queries().ReadAsync(hospital.Read("p7"), Ct)).Status.ShouldBe(200);
        before[^2..].ShouldBe(["read 200", "read intent"]);
    }

    private static async Task<List<string>> EveryIdAsync(FhirHospital hospital)
    {
        var ids = new List<string>();
        string? cursor = null;
        var pages = 0;
        do
        {
            var response = await hospital.Queries(pages % 2).SearchAsync(hospital.Search(cursor), Ct);
            response.Status.ShouldBe(200);
            ids.AddRange(FhirHospital.Ids(response));
            cursor = FhirHospital.NextCursor(response);
            (cursor?.Length ?? 0).ShouldBeLessThanOrEqualTo(256);
        }
        while (cursor is not null && ++pages < 20);
        return ids;
    }

    private async Task<SqliteConnection> LockDatabaseAsync()
    {
        var connection = new SqliteConnection($"Data Source={cluster.DatabaseFile};Pooling=False");
        await connection.OpenAsync(Ct);
        await using var command = connection.CreateCommand();
        command.CommandText = "BEGIN IMMEDIATE";
        await command.ExecuteNonQueryAsync(Ct);
        return connection;
    }

    private async Task<long> CountAsync(string table, string tenant)
    {
        await using var connection = new SqliteConnection($"Data Source={cluster.DatabaseFile};Pooling=False");
        await connection.OpenAsync(Ct);
        await using var command = connection.CreateCommand();
        command.CommandText = $"SELECT count(*) FROM {table} WHERE tenant_id = $tenant";
        command.Parameters.AddWithValue("$tenant", tenant);
        return (long)(await command.ExecuteScalarAsync(Ct))!;
    }

    private async Task<string[]> AuditAsync(string tenant)
    {
        await using var connection = new SqliteConnection($"Data Source={cluster.DatabaseFile};Pooling=False");
        await connection.OpenAsync(Ct);
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT action || ' ' || outcome FROM audit_entry WHERE tenant_id = $tenant ORDER BY seq";
        command.Parameters.AddWithValue("$tenant", tenant);
        await using var reader = await command.ExecuteReaderAsync(Ct);
        var rows = new List<string>();
        while (await reader.ReadAsync(Ct))
        {
            rows.Add(reader.GetString(0));
        }

        return [.. rows];
    }
}

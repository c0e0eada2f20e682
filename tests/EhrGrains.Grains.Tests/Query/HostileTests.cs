using System.Diagnostics;
using System.Text.Json.Nodes;
using EhrGrains.Contracts.Query;

namespace EhrGrains.Grains.Tests.Query;

/// <summary>
/// Forty ways to misbehave, while a token is fetched, while pages are, and in the body of a resource: each ends in bounded time with a
/// status that says what is wrong, and nobody else notices.
/// </summary>
[CollectionDefinition(nameof(HostileTests), DisableParallelization = true)] // What others have in memory would count as what a hospital made us keep.
[Collection(nameof(HostileTests))]
public sealed partial class HostileTests(HostileHospitals hospitals) : IClassFixture<HostileHospitals>
{
    private const int PagesMax = 6;
    private const long MemoryGrowthMax = 100_000_000;
    private static readonly TimeSpan PatienceMax = TimeSpan.FromSeconds(30);

    // What may pass for the resource that was asked for: a date that is off, an old version, a mark before it, and what is about pages.
    private static readonly string[] PassesAsResource =
    [
        "clock-back", "older-version", "byte-order-mark", "endless-paging", "self-next", "foreign-next", "repeated-page", "shuffled-page", "shrinking-total", "missing-total",
    ];

    [Fact]
    public async Task A_hostile_body_is_refused_in_time_and_nobody_else_notices()
    {
        var outcomes = await TryAsync(["read"], hospitals.ReadAsync);

        foreach (var outcome in outcomes.Where(outcome => outcome.Status == 200))
        {
            PassesAsResource.ShouldContain(outcome.Name, outcome.ToString());
        }
    }

    [Fact]
    public async Task Hostile_pages_end_in_time_and_nobody_else_notices()
    {
        await TryAsync(["search", "page"], async (name, cancellationToken) =>
        {
            var response = await hospitals.SearchAsync(name, null, cancellationToken);
            for (var page = 1; page < PagesMax && response.Status == 200 && FhirHospital.NextCursor(response) is { } cursor; page++)
            {
                response = await hospitals.SearchAsync(name, cursor, cancellationToken);
            }

            return response;
        });
    }

    [Fact]
    public async Task A_hostile_token_endpoint_is_told_in_time_and_nobody_else_notices()
    {
        await TryAsync(["token"], hospitals.ReadAsync);
    }

    /// <summary>Attacks with everything, asking the well-behaved hospital all the while.</summary>
    private async Task<IReadOnlyList<Outcome>> TryAsync(string[] operations, Func<string, CancellationToken, Task<FhirResponse>> askAsync)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        (await hospitals.SearchAsync(HostileHospitals.Good, null, cancellationToken)).Status.ShouldBe(200);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var others = AskTheGoodOneAsync(over.Token);
        var outcomes = await hospitals.AttackAsync(operations, (name, token) => MeasureAsync(name, askAsync, token));
        await over.CancelAsync();
        (await others).ShouldBeGreaterThan(0);

        foreach (var outcome in outcomes)
        {
            TestContext.Current.TestOutputHelper!.WriteLine(outcome.ToString());
        }

        outcomes.Where(outcome => outcome.Status is not (200 or 403 or 429 or 502 or 503 or 504) || outcome.Took > PatienceMax || !outcome.IsClear)
            .ShouldBeEmpty();
        (GC.GetTotalMemory(forceFullCollection: true) - before).ShouldBeLessThan(MemoryGrowthMax);
        foreach (var name in hospitals.Names)
        {
            await hospitals.CalmAsync(name);
        }

        return outcomes;
    }

    // Every answer of the other tenant is right, however many there were.
    private async Task<int> AskTheGoodOneAsync(CancellationToken cancellationToken)
    {
        var answers = 0;
        while (!cancellationToken.IsCancellationRequested)
        {
            var started = Stopwatch.GetTimestamp();
            var response = await hospitals.SearchAsync(HostileHospitals.Good, null, TestContext.Current.CancellationToken);
            response.Status.ShouldBe(200);
            FhirHospital.Ids(response).Length.ShouldBe(50);
            Stopwatch.GetElapsedTime(started).ShouldBeLessThan(TimeSpan.FromSeconds(10));
            answers++;
        }

        return answers;
    }

    private static async Task<Outcome> MeasureAsync(
        string name, Func<string, CancellationToken, Task<FhirResponse>> askAsync, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var response = await askAsync(name, cancellationToken);
        var codes = FhirHospital.Codes(response);
        var type = (string?)JsonNode.Parse(response.Body)!["resourceType"];

        // A failure names itself by a code of ours or the hospital's; an answer is what was asked for.
        var isClear = response.Status == 200 ? type is "Patient" or "Bundle" : type == "OperationOutcome" && codes.Length > 0;
        return new Outcome(name, response.Status, string.Join(' ', codes), isClear, Stopwatch.GetElapsedTime(started));
    }

    private sealed record Outcome(string Name, int Status, string Codes, bool IsClear, TimeSpan Took);
}

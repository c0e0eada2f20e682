using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Tests.Peers;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tokens;

namespace EhrGrains.Connect.Tests.Ehr;

public sealed class EhrRetryTests
{
    [Theory]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    [InlineData(429)]
    public async Task A_hospital_in_trouble_is_asked_twice_more_each_time_with_a_permit(int status)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(status), Peer.Says(status), Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        var access = new Access(Rig.To(peer));

        using var answer = await rig.SendAsync(Rig.To(peer), access: access);

        answer.Failure.ShouldBe(EhrFailure.None);
        peer.Requests.Count.ShouldBe(3);
        (access.Permits, access.Arrived, access.Ended).ShouldBe((3, 3, 3));
        access.Throttled.Count.ShouldBe(status is 429 or 503 ? 2 : 0);
    }

    [Fact]
    public async Task A_search_in_the_body_is_safe_and_asked_again_too()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(503), Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        var connection = Rig.To(peer);
        var request = Rig.Search(connection, "Patient/_search") with
        {
            Method = HttpMethod.Post,
            Form = [new SearchParameter("family", "x")],
        };

        using var answer = await rig.SendAsync(connection, request);

        answer.Failure.ShouldBe(EhrFailure.None);
        peer.Requests.Select(static r => r.Body).ShouldBe(["family=x", "family=x"]);
    }

    [Fact]
    public async Task After_two_more_tries_the_failure_is_handed_on()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(503));
        using var rig = new Rig();
        using var answer = await rig.SendAsync(Rig.To(peer));
        answer.Failure.ShouldBe(EhrFailure.Unavailable);
        answer.Status.ShouldBe(503);
        peer.Requests.Count.ShouldBe(3);
    }

    [Theory]
    [InlineData(400)]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(500)]
    [InlineData(301)]
    [InlineData(204)]
    public async Task What_another_try_would_not_change_is_asked_once(int status)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(status));
        using var rig = new Rig();
        using var answer = await rig.SendAsync(Rig.To(peer));
        peer.Requests.Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_tried_three_times()
    {
        var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        var connection = Rig.To(peer);
        await peer.DisposeAsync();
        using var rig = new Rig();
        var access = new Access(connection);

        using var answer = await rig.SendAsync(connection, access: access);

        answer.Failure.ShouldBe(EhrFailure.ConnectFailed);
        (access.Permits, access.Arrived, access.Ended).ShouldBe((3, 0, 3));
    }

    [Theory]
    [InlineData("3", 3)]
    [InlineData("Mon, 23 Nov 2026 12:00:04 GMT", 4)]
    public async Task The_wait_that_is_asked_for_is_kept_and_told_to_the_budget_in_both_forms(string retryAfter, double seconds)
    {
        var time = new WatchedTime();
        await using var peer = await Peer.StartAsync(
            Peer.Says(429, ("Retry-After", retryAfter), ("Date", "Mon, 23 Nov 2026 12:00:00 GMT")), Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig(time);
        var access = new Access(Rig.To(peer));

        var sending = rig.SendAsync(Rig.To(peer), access: access);
        await time.PassAsync(wait => wait == TimeSpan.FromSeconds(seconds), TestContext.Current.CancellationToken);
        using var answer = await sending;

        answer.Failure.ShouldBe(EhrFailure.None);
        access.Throttled.ShouldBe([(TimeSpan.FromSeconds(seconds), 429)]);
    }

    [Theory]
    [InlineData("1000000000", 600)]
    [InlineData("11", 11)]
    public async Task A_longer_wait_is_not_waited_for_but_handed_on(string retryAfter, double seconds)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(429, ("Retry-After", retryAfter)));
        using var rig = new Rig();
        var access = new Access(Rig.To(peer));

        using var answer = await rig.SendAsync(Rig.To(peer), access: access);

        answer.Failure.ShouldBe(EhrFailure.Throttled);
        answer.RetryAfter.ShouldBe(TimeSpan.FromSeconds(seconds));
        access.Throttled.ShouldBe([(TimeSpan.FromSeconds(seconds), 429)]);
        peer.Requests.ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData("-7")]
    [InlineData("Mon, 23 Nov 2015 12:00:00 GMT")]
    [InlineData("0")]
    public async Task A_wait_in_the_past_is_none(string retryAfter)
    {
        await using var peer = await Peer.StartAsync(Peer.Says(429, ("Retry-After", retryAfter)), Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        var access = new Access(Rig.To(peer));
        using var answer = await rig.SendAsync(Rig.To(peer), access: access);
        answer.Failure.ShouldBe(EhrFailure.None);
        access.Throttled.ShouldBe([(TimeSpan.Zero, 429)]);
    }

    [Fact]
    public async Task Silence_before_the_headers_ends_the_attempt_and_another_is_made()
    {
        var time = new WatchedTime();
        var arrived = new TaskCompletionSource();
        await using var peer = await Peer.StartAsync(Peer.KeepsSilent(arrived), Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig(time);

        var sending = rig.SendAsync(Rig.To(peer));
        await arrived.Task;
        await time.PassAsync(wait => wait == rig.Options.AttemptTimeout, TestContext.Current.CancellationToken);
        await time.PassAsync(static wait => wait > TimeSpan.Zero && wait < TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
        using var answer = await sending;

        answer.Failure.ShouldBe(EhrFailure.None);
    }

    [Fact]
    public async Task The_whole_has_a_deadline_waits_for_the_permit_included()
    {
        var time = new WatchedTime();
        using var rig = new Rig(time);
        var connection = Rig.Connection("https://ehr.example");
        var access = new Access(connection)
        {
            Hands = new EhrAccess(
                async cancellationToken =>
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, time, cancellationToken);
                    return new BudgetPermit(static () => { });
                },
                static (_, _) => throw new InvalidOperationException("No permit, no token."),
                static (_, _) => ValueTask.CompletedTask),
        };

        var sending = rig.SendAsync(connection, access: access);
        await time.PassAsync(wait => wait == rig.Options.TotalTimeout, TestContext.Current.CancellationToken);
        using var answer = await sending;

        answer.Failure.ShouldBe(EhrFailure.TimedOut);
    }

    [Fact]
    public async Task A_caller_who_leaves_ends_the_request()
    {
        var arrived = new TaskCompletionSource();
        await using var peer = await Peer.StartAsync(Peer.KeepsSilent(arrived));
        using var rig = new Rig();
        using var leaving = new CancellationTokenSource();
        var access = new Access(Rig.To(peer));

        var sending = rig.Ehr.SendAsync(Rig.Tenant, Rig.To(peer), Rig.Search(Rig.To(peer)), access.Hands, leaving.Token);
        await arrived.Task;
        await leaving.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => sending);
        (access.Arrived, access.Ended).ShouldBe((0, 1));
    }

    [Fact]
    public async Task A_refused_permit_is_the_callers_to_see_and_nothing_is_sent()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        var access = new Access(Rig.To(peer))
        {
            Hands = new EhrAccess(
                static _ => throw new ProblemException(ProblemKind.Unavailable, "EHR-BUD-001", "", "The daily quota is used up."),
                static (_, _) => throw new InvalidOperationException("No permit, no token."),
                static (_, _) => ValueTask.CompletedTask),
        };
        var thrown = await Should.ThrowAsync<ProblemException>(() => rig.SendAsync(Rig.To(peer), access: access));
        thrown.Problems[0].Code.ShouldBe("EHR-BUD-001");
        peer.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_permit_that_lapses_before_the_request_is_written_sends_nothing_and_another_is_asked_for()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        var holds = new Queue<bool>([false, true]);
        var ended = 0;
        var access = new Access(Rig.To(peer))
        {
            Hands = new EhrAccess(
                _ => ValueTask.FromResult(new BudgetPermit(static () => { }, () => ended++, holds.Dequeue)),
                (_, _) => ValueTask.FromResult(new TokenResult { Token = Rig.Token(Rig.To(peer)) }),
                static (_, _) => ValueTask.CompletedTask),
        };

        using var answer = await rig.SendAsync(Rig.To(peer), access: access);

        answer.Failure.ShouldBe(EhrFailure.None);
        peer.Requests.ShouldHaveSingleItem();
        ended.ShouldBe(2);
    }

    [Fact]
    public async Task Lapsed_permits_say_nothing_about_the_hospital()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig(configure: static o => o.RetriesMax = 0);
        var access = new Access(Rig.To(peer))
        {
            Hands = new EhrAccess(
                static _ => ValueTask.FromResult(new BudgetPermit(static () => { }, null, static () => false)),
                (_, _) => ValueTask.FromResult(new TokenResult { Token = Rig.Token(Rig.To(peer)) }),
                static (_, _) => ValueTask.CompletedTask),
        };
        for (var i = 0; i < 12; i++)
        {
            using var answer = await rig.SendAsync(Rig.To(peer), access: access);
            answer.Failure.ShouldBe(EhrFailure.PermitLapsed);
        }

        rig.Ehr.Circuit(Rig.Tenant).ShouldBe(Polly.CircuitBreaker.CircuitState.Closed);
        peer.Requests.ShouldBeEmpty();
    }

    [Fact]
    public async Task Without_a_token_nothing_is_sent_and_its_own_reason_is_given()
    {
        await using var peer = await Peer.StartAsync(Peer.Says(Peer.EmptySearchset));
        using var rig = new Rig();
        var ended = 0;
        var access = new Access(Rig.To(peer))
        {
            Hands = new EhrAccess(
                _ => ValueTask.FromResult(new BudgetPermit(static () => { }, () => ended++)),
                static (_, _) => ValueTask.FromResult(new TokenResult { Failure = new Problem("EHR-TOK-012", "connection", "No.") }),
                static (_, _) => ValueTask.CompletedTask),
        };
        using var answer = await rig.SendAsync(Rig.To(peer), access: access);
        answer.Failure.ShouldBe(EhrFailure.NoToken);
        answer.Problem!.Code.ShouldBe("EHR-TOK-012");
        ended.ShouldBe(1);
        peer.Requests.ShouldBeEmpty();
    }
}

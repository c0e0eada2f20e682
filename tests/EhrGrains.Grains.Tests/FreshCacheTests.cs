using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Grains.Tests;

public sealed class FreshCacheTests
{
    private static readonly TimeSpan RefreshAfter = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AgeMax = TimeSpan.FromSeconds(5);

    private readonly FakeTimeProvider time = new();
    private int fetches;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_fetch_serves_all_who_wait()
    {
        var cache = New(10);
        var hold = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var all = Enumerable.Range(0, 50).Select(_ => GetAsync(cache, "a", hold.Task).AsTask()).ToArray();
        hold.SetResult();
        (await Task.WhenAll(all)).ShouldAllBe(value => value == 1);
    }

    [Fact]
    public async Task A_value_is_never_older_than_its_reader_allows()
    {
        var cache = New(10);
        (await GetAsync(cache, "a")).ShouldBe(1);
        time.Advance(AgeMax + TimeSpan.FromTicks(1));
        (await GetAsync(cache, "a")).ShouldBe(2);
    }

    [Fact]
    public async Task One_that_is_getting_old_is_served_while_the_next_is_fetched()
    {
        var cache = New(10);
        await GetAsync(cache, "a");
        time.Advance(TimeSpan.FromSeconds(3));
        var hold = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        (await GetAsync(cache, "a", hold.Task)).ShouldBe(1);
        hold.SetResult();
        time.Advance(TimeSpan.FromSeconds(3));
        (await GetAsync(cache, "a")).ShouldBe(2);
    }

    [Fact]
    public async Task The_first_callers_cancellation_is_not_the_others()
    {
        var cache = New(10);
        using var first = new CancellationTokenSource();
        var hold = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var impatient = GetAsync(cache, "a", hold.Task, first.Token).AsTask();
        var patient = GetAsync(cache, "a", hold.Task).AsTask();
        await first.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => impatient);
        hold.SetResult();
        (await patient).ShouldBe(1);
    }

    [Fact]
    public async Task A_failure_is_not_kept()
    {
        var cache = New(10);
        await Should.ThrowAsync<InvalidOperationException>(
            () => cache.GetAsync("a", RefreshAfter, AgeMax, (_, _) => throw new InvalidOperationException(), Ct).AsTask());
        (await GetAsync(cache, "a")).ShouldBe(1);
    }

    [Fact]
    public async Task A_fetch_that_hangs_ends_with_a_timeout()
    {
        var cache = New(10);
        var hung = GetAsync(cache, "a", new TaskCompletionSource().Task).AsTask();
        while (!hung.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(11));
            await Task.WhenAny(hung, Task.Delay(1, Ct));
        }

        await Should.ThrowAsync<TimeoutException>(() => hung);
    }

    [Fact]
    public async Task The_number_of_keys_is_bounded()
    {
        var cache = New(100);
        for (var i = 0; i < 1_000; i++)
        {
            await GetAsync(cache, $"key-{i}");
            time.Advance(TimeSpan.FromMilliseconds(1));
        }

        cache.Count.ShouldBeLessThanOrEqualTo(100);
        fetches.ShouldBe(1_000);
        await GetAsync(cache, "key-999");
        fetches.ShouldBe(1_000, "the newest is still there");
    }

    private FreshCache<string, int> New(int countMax) => new(countMax, TimeSpan.FromSeconds(10), time);

    private ValueTask<int> GetAsync(
        FreshCache<string, int> cache, string key, Task? hold = null, CancellationToken? cancellationToken = null) =>
        cache.GetAsync(
            key,
            RefreshAfter,
            AgeMax,
            async (_, _) =>
            {
                await (hold ?? Task.CompletedTask);
                return Interlocked.Increment(ref fetches);
            },
            cancellationToken ?? Ct);
}

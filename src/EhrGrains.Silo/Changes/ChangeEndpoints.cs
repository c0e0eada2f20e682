using System.Globalization;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Changes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Changes;

namespace EhrGrains.Silo.Changes;

/// <summary>
/// The changes of a tenant's records over HTTP: pages, with a wait where there are none yet, and server-sent events whose ids are the
/// numbers of the changes (HTML Living Standard §9.2).
/// </summary>
internal static class ChangeEndpoints
{
    private const int PageDefault = 100;
    private const double WaitSecondsMax = 86_400;
    private const string EventStream = "text/event-stream";

    // Half of what proxies are known to wait for, and a sign to the client that it is still connected.
    private static readonly TimeSpan HeartbeatPeriod = TimeSpan.FromSeconds(20);

    internal static void MapChanges(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapGet("/tenants/{tenant}/changes", ReadAsync).ExcludeFromDescription();

    private static async Task<IResult> ReadAsync(
        TenantId tenant, long? after, int? limit, double? wait, HttpContext context, ChangeReader changes, TimeProvider time, IHostApplicationLifetime host)
    {
        var caller = context.Features.Get<Caller>()!;
        if (context.Request.GetTypedHeaders().Accept.Any(accept => accept.MediaType.Equals(EventStream, StringComparison.OrdinalIgnoreCase)))
        {
            var from = context.Request.Headers["Last-Event-ID"].ToString() is { Length: > 0 } last
                ? long.TryParse(last, CultureInfo.InvariantCulture, out var seq)
                    ? seq
                    : throw new ProblemException(ProblemKind.Invalid, "EHR-CHG-005", "Last-Event-ID", "This is not the id of an event from here.")
                : after ?? 0;

            // The first page is read before the answer begins, so that a refusal is an answer like any other.
            var first = await changes.PageAsync(tenant, caller, from, ChangePage.CountMax, TimeSpan.Zero, context.RequestAborted);
            return TypedResults.ServerSentEvents(StreamAsync(
                first, (next, stop) => NextAsync(changes, tenant, caller, next, time, stop), host.ApplicationStopping));
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, host.ApplicationStopping);
        var seconds = wait is { } given && double.IsFinite(given) ? Math.Clamp(given, -1, WaitSecondsMax) : wait is null ? 0 : -1;
        var page = await changes.PageAsync(tenant, caller, after ?? 0, limit ?? PageDefault, TimeSpan.FromSeconds(seconds), stop.Token);
        context.Response.Headers.CacheControl = "no-store";
        return TypedResults.Ok(page);
    }

    /// <summary>
    /// Goes on until the client leaves, the silo stops, the caller's token ends or its rights do: a client that comes back with
    /// Last-Event-ID misses nothing.
    /// </summary>
    private static async IAsyncEnumerable<SseItem<ChangeRecord?>> StreamAsync(
        ChangePage page, Func<long, CancellationToken, Task<ChangePage?>> nextAsync, CancellationToken stopping,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stopping);
        while (true)
        {
            foreach (var change in page.Changes)
            {
                yield return new SseItem<ChangeRecord?>(change, "change") { EventId = change.Seq.ToString(CultureInfo.InvariantCulture) };
            }

            if (page.Changes.Length == 0)
            {
                yield return new SseItem<ChangeRecord?>(null, "heartbeat") { EventId = page.Next.ToString(CultureInfo.InvariantCulture) };
            }

            if (await nextAsync(page.Next, stop.Token) is not { } next)
            {
                yield break;
            }

            page = next;
        }
    }

    private static async Task<ChangePage?> NextAsync(
        ChangeReader changes, TenantId tenant, Caller caller, long after, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            return caller.ExpiresAt <= time.GetUtcNow()
                ? null
                : await changes.PageAsync(tenant, caller, after, ChangePage.CountMax, HeartbeatPeriod, cancellationToken);
        }
        catch (Exception e) when (e is ProblemException or OperationCanceledException or OrleansException or TimeoutException)
        {
            // The status is sent: an end is all that can be said. Whoever comes back is told why, or goes on.
            return null;
        }
    }
}

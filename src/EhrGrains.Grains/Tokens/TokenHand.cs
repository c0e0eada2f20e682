using System.Collections.Concurrent;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Tokens;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Tenants;

namespace EhrGrains.Grains.Tokens;

/// <summary>
/// The access tokens that this silo has in hand. No grain call while a token is fresh, and one per silo and refresh: one that is
/// due is still used while a single call fetches the next. A failure is remembered for a second, so that a hospital that gives
/// no tokens costs one grain call a second and not one a query. At most 20,000 tenants. Thread-safe.
/// </summary>
public sealed class TokenHand(IGrainFactory grains, TenantSnapshots tenants, CallerTickets tickets, TimeProvider time)
{
    private const int TenantsMax = 20_000;
    private const int RoundsMax = 3;
    private static readonly TimeSpan FailureAge = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<TenantId, Hand> hands = new();

    /// <summary>A token to use now, or why there is none.</summary>
    /// <param name="tenant">Whose.</param>
    /// <param name="rejectedSerial">The serial of a token that the EHR answered 401 to, or 0.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async ValueTask<TokenResult> GetAsync(TenantId tenant, long rejectedSerial, CancellationToken cancellationToken)
    {
        if (await tenants.GetAsync(tenant, cancellationToken) is not { } snapshot)
        {
            return new TokenResult { Failure = new Problem("EHR-TEN-100", "tenant", "There is no such tenant.") };
        }

        var hand = HandOf(tenant);
        for (var round = 1; ; round++)
        {
            Task<TokenResult> flight;
            lock (hand.Gate)
            {
                hand.Follow(snapshot);
                var now = time.GetUtcNow();
                var use = TokenPolicy.Judge(hand.Result?.Token, rejectedSerial, now);
                if (use == TokenUse.Fresh)
                {
                    return hand.Result!;
                }

                if (hand.Flight is null && now < hand.AskAgainAt)
                {
                    return use == TokenUse.Due ? hand.Result! : hand.Failure!;
                }

                // What this silo has is not wanted any more, be it due or refused.
                hand.Flight ??= StartAsync(hand, tenant, Math.Max(rejectedSerial, hand.Result?.Token?.Serial ?? 0));
                if (use == TokenUse.Due)
                {
                    return hand.Result!;
                }

                flight = hand.Flight;
            }

            // A flight that was under way already may bring just the token that the caller has come to complain of.
            var result = await flight.WaitAsync(cancellationToken);
            if (result.Token is null || result.Token.Serial > rejectedSerial || round == RoundsMax)
            {
                return result;
            }
        }
    }

    private Hand HandOf(TenantId tenant)
    {
        if (!hands.TryGetValue(tenant, out var hand))
        {
            if (hands.Count >= TenantsMax)
            {
                var now = time.GetUtcNow();
                foreach (var (other, held) in hands)
                {
                    if (TokenPolicy.Judge(held.Result?.Token, 0, now) == TokenUse.Gone)
                    {
                        hands.TryRemove(other, out _);
                    }
                }
            }

            hand = hands.GetOrAdd(tenant, static _ => new Hand());
        }

        return hand;
    }

    private Task<TokenResult> StartAsync(Hand hand, TenantId tenant, long unwantedSerial)
    {
        var flight = Detached.RunAsync(() => FetchAsync(hand, tenant, unwantedSerial));
        flight.Ignore();
        return flight;
    }

    private async Task<TokenResult> FetchAsync(Hand hand, TenantId tenant, long unwantedSerial)
    {
        try
        {
            using var system = tickets.EnterSystem();
            using var timeout = new CancellationTokenSource(CallTimeout, time);
            var session = grains.GetGrain<ITokenSessionGrain>(GrainKeys.TokenSession(tenant, GrainKeys.BackendPurpose));
            var result = await session.GetTokenAsync(unwantedSerial, timeout.Token);
            Take(hand, result);
            return result;
        }
        catch (Exception e) when (e is not ProblemException)
        {
            // The grain's silo is gone or slow; the call may be made again.
            var result = new TokenResult
            {
                Failure = new Problem("EHR-TOK-007", "", "The token session does not answer now. Try again."),
                Transient = true,
            };
            Take(hand, result);
            return result;
        }
        finally
        {
            lock (hand.Gate)
            {
                hand.Flight = null;
            }
        }
    }

    private void Take(Hand hand, TokenResult result)
    {
        lock (hand.Gate)
        {
            if (result.Token is not null)
            {
                (hand.Result, hand.Failure, hand.AskAgainAt) = (result, null, default);
            }
            else
            {
                (hand.Failure, hand.AskAgainAt) = (result, time.GetUtcNow() + FailureAge);
            }
        }
    }

    private sealed class Hand
    {
        private long version;
        private TenantSpec? spec;

        internal Lock Gate { get; } = new();

        internal TokenResult? Result { get; set; }

        internal TokenResult? Failure { get; set; }

        internal DateTimeOffset AskAgainAt { get; set; }

        internal Task<TokenResult>? Flight { get; set; }

        /// <summary>A token of another connection is not used: it belongs to another origin, client or set of scopes (I7).</summary>
        internal void Follow(TenantSnapshot snapshot)
        {
            if (snapshot.Version == version)
            {
                return;
            }

            if (spec is not null
                && TenantSpecRules.Differences(spec, snapshot.Spec).Any(d => d.Path.StartsWith("connection.", StringComparison.Ordinal)))
            {
                (Result, Failure, AskAgainAt) = (null, null, default);
            }

            (version, spec) = (snapshot.Version, snapshot.Spec);
        }
    }
}

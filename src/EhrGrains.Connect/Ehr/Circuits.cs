using System.Collections.Concurrent;
using EhrGrains.Contracts.Tenants;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.CircuitBreaker;

namespace EhrGrains.Connect.Ehr;

/// <summary>
/// One circuit breaker a tenant: a hospital that is down is left alone, and costs its callers no time, until one request after the break
/// finds it well again. Bounded; a forgotten circuit is a closed one.
/// </summary>
internal sealed partial class Circuits(ConnectOptions options, TimeProvider time, ILogger log)
{
    private readonly ConcurrentDictionary<TenantId, Circuit> circuits = new();

    public ResiliencePipeline<EhrAnswer> For(TenantId tenant)
    {
        if (!circuits.TryGetValue(tenant, out var circuit))
        {
            if (circuits.Count >= options.CircuitsMax)
            {
                circuits.TryRemove(circuits.MinBy(static c => c.Value.LastUsed).Key, out _);
            }

            circuit = circuits.GetOrAdd(tenant, Create);
        }

        circuit.LastUsed = time.GetTimestamp();
        return circuit.Pipeline;
    }

    public CircuitState StateOf(TenantId tenant) =>
        circuits.TryGetValue(tenant, out var circuit) ? circuit.State.CircuitState : CircuitState.Closed;

    // What says that the hospital or the way to it is unwell. Not 429, which the budget answers; not 500, which vendors answer to a single
    // chart that lacks an element; not 4xx, which are about the request.
    private static bool IsUnwell(EhrFailure failure) => failure is
        EhrFailure.ConnectFailed or EhrFailure.TlsFailed or EhrFailure.TimedOut or EhrFailure.Unavailable
        or EhrFailure.Truncated or EhrFailure.TooSlow;

    private Circuit Create(TenantId tenant)
    {
        var state = new CircuitBreakerStateProvider();
        var pipeline = new ResiliencePipelineBuilder<EhrAnswer> { TimeProvider = time }
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions<EhrAnswer>
            {
                FailureRatio = options.CircuitFailureRatio,
                MinimumThroughput = options.CircuitRequestsMin,
                SamplingDuration = options.CircuitWindow,
                BreakDuration = options.CircuitBreak,
                StateProvider = state,
                ShouldHandle = static args => ValueTask.FromResult(args.Outcome.Result is { } answer && IsUnwell(answer.Failure)),
                OnOpened = args =>
                {
                    Opened(log, tenant, args.BreakDuration, args.Outcome.Result?.Failure ?? EhrFailure.None);
                    return default;
                },
                OnClosed = _ =>
                {
                    Closed(log, tenant);
                    return default;
                },
            })
            .Build();
        return new Circuit(pipeline, state);
    }

    [LoggerMessage(2502, LogLevel.Warning, "The circuit of tenant {Tenant} opened for {Break}: the last failure was {Failure}")]
    private static partial void Opened(ILogger logger, TenantId tenant, TimeSpan @break, EhrFailure failure);

    [LoggerMessage(2503, LogLevel.Information, "The circuit of tenant {Tenant} closed: the hospital answered")]
    private static partial void Closed(ILogger logger, TenantId tenant);

    private sealed class Circuit(ResiliencePipeline<EhrAnswer> pipeline, CircuitBreakerStateProvider state)
    {
        private long lastUsed;

        public ResiliencePipeline<EhrAnswer> Pipeline { get; } = pipeline;

        public CircuitBreakerStateProvider State { get; } = state;

        public long LastUsed
        {
            get => Volatile.Read(ref lastUsed);
            set => Volatile.Write(ref lastUsed, value);
        }
    }
}

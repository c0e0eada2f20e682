using System.Net.Http.Headers;
using EhrGrains.Connect.Egress;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Tokens;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;
using Polly.Timeout;

namespace EhrGrains.Connect.Ehr;

/// <summary>
/// Sends FHIR requests to hospitals. A token leaves only to the origin it was issued for, no redirect is followed, and each attempt has its
/// permit of the site budget. Failures are answers, not exceptions; only cancellation and a refused permit are thrown. Thread-safe.
/// </summary>
public sealed partial class EhrClient
{
    private static readonly ProductInfoHeaderValue UserAgent = new("EhrGrains", "0.1");
    private static readonly MediaTypeHeaderValue FhirJson = new("application/fhir+json");

    private readonly EgressClients egress;
    private readonly ConnectOptions options;
    private readonly TimeProvider time;
    private readonly ConnectMetrics metrics;
    private readonly ILogger<EhrClient> log;
    private readonly Circuits circuits;
    private readonly ResiliencePipeline<EhrAnswer> whole;
    private readonly ResiliencePipeline<EhrAnswer> once;
    private readonly ResiliencePipeline untilHeaders;

    /// <summary>Creates the client.</summary>
    public EhrClient(EgressClients egress, ConnectOptions options, TimeProvider time, ConnectMetrics metrics, ILogger<EhrClient> log)
    {
        ArgumentNullException.ThrowIfNull(options);
        this.egress = egress;
        this.options = options;
        this.time = time;
        this.metrics = metrics;
        this.log = log;
        circuits = new Circuits(options, time, log);
        whole = Whole(options, options.RetriesMax, time);
        once = Whole(options, retriesMax: 0, time);
        untilHeaders = new ResiliencePipelineBuilder { TimeProvider = time }.AddTimeout(options.AttemptTimeout).Build();
    }

    /// <summary>Sends a request and reads its answer whole.</summary>
    /// <exception cref="ProblemException">The permit was refused: the site budget says why.</exception>
    public async Task<EhrAnswer> SendAsync(
        TenantId tenant, ConnectionSpec connection, EhrRequest request, EhrAccess access, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(access);
        return await SendAsync(new Call(tenant, connection, request, access), cancellationToken);
    }

    /// <summary>
    /// Sends a request up to the headers of its answer, whatever its status: for answers that say what they say in headers, or are too
    /// long to be read whole. The permit is given back then: a file is read for minutes.
    /// </summary>
    /// <exception cref="ProblemException">The permit was refused: the site budget says why.</exception>
    internal async Task<EhrStream> OpenAsync(
        TenantId tenant, ConnectionSpec connection, EhrRequest request, EhrAccess access, CancellationToken cancellationToken)
    {
        var call = new Call(tenant, connection, request, access) { KeepsOpen = true };
        try
        {
            using var answer = await SendAsync(call, cancellationToken);
            return new EhrStream(answer, call.Take());
        }
        finally
        {
            call.Take()?.Dispose();
        }
    }

    /// <summary>Asks where no token may go, and so without one, nor any permit: it is not the EHR's FHIR server that answers.</summary>
    internal async Task<EhrStream> OpenBareAsync(TenantId tenant, ConnectionSpec connection, EhrRequest request, CancellationToken cancellationToken)
    {
        using var message = Compose(request, null);
        var (response, failure) = await HeadersAsync(tenant, connection, message, cancellationToken);
        var status = (int?)response?.StatusCode ?? 0;
        using var answer = response is null ? EhrAnswer.Failed(failure)
            : response.IsSuccessStatusCode ? EhrAnswer.Opened(status)
            : EhrAnswer.Failed(EhrFailures.OfStatus(status), status, RetryAfter.Of(response, time.GetUtcNow()));
        return new EhrStream(answer, response);
    }

    private async Task<EhrAnswer> SendAsync(Call call, CancellationToken cancellationToken)
    {
        var (tenant, connection, request) = (call.Tenant, call.Connection, call.Request);
        var started = time.GetTimestamp();
        using var activity = ConnectMetrics.Activities.StartActivity($"ehr {request.Op}", System.Diagnostics.ActivityKind.Client);
        var answer = await SendWholeAsync(call, cancellationToken);
        var outcome = EhrProblems.Outcome(answer.Failure);
        metrics.Request(time.GetElapsedTime(started), connection.Vendor, request.ResourceType, request.Op, outcome, call.Access.Lane);
        activity?.SetTag("vendor", connection.Vendor).SetTag("resource", request.ResourceType).SetTag("outcome", outcome)
            .SetTag("http.response.status_code", answer.Status);
        if (answer.Failure != EhrFailure.None)
        {
            RequestFailed(log, tenant, request.Op, request.ResourceType, answer.Failure, answer.Status);
        }

        return answer;
    }

    /// <summary>Whether the tenant's circuit lets requests through.</summary>
    public CircuitState Circuit(TenantId tenant) => circuits.StateOf(tenant);

    private static ResiliencePipeline<EhrAnswer> Whole(ConnectOptions options, int retriesMax, TimeProvider time)
    {
        var builder = new ResiliencePipelineBuilder<EhrAnswer> { TimeProvider = time }.AddTimeout(options.TotalTimeout);
        if (retriesMax > 0)
        {
            builder.AddRetry(new RetryStrategyOptions<EhrAnswer>
            {
                MaxRetryAttempts = retriesMax,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = options.RetryDelay,
                MaxDelay = options.RetryAfterWaitMax > options.RetryDelay ? options.RetryAfterWaitMax : options.RetryDelay,
                ShouldHandle = args => ValueTask.FromResult(
                    args.Outcome.Result is { } answer
                    && IsWorthAnotherTry(answer.Failure)
                    && !(answer.RetryAfter > options.RetryAfterWaitMax)),
                // Null: the back-off above.
                DelayGenerator = static args => ValueTask.FromResult(
                    args.Outcome.Result?.RetryAfter is { } wait && wait > TimeSpan.Zero ? wait : (TimeSpan?)null),
            });
        }

        return builder.Build();
    }

    // What is tried again is safe (RFC 9110 §9.2.1; POST _search is a search), and in these cases no body has begun.
    private static bool IsWorthAnotherTry(EhrFailure failure) => failure is
        EhrFailure.ConnectFailed or EhrFailure.TimedOut or EhrFailure.Unavailable or EhrFailure.Throttled or EhrFailure.PermitLapsed;

    private async Task<EhrAnswer> SendWholeAsync(Call call, CancellationToken cancellationToken)
    {
        if (!Origin.TryParse(call.Connection.BaseUrl, out var origin)
            || !Origin.TryParse(call.Request.Url, out var target)
            || target != origin)
        {
            return EhrAnswer.Failed(EhrFailure.ForeignOrigin);
        }

        try
        {
            return await (call.Request.IsSafe ? whole : once).ExecuteAsync(
                static (state, ct) => state.Client.TryAsync(state.Call, ct), (Client: this, Call: call), cancellationToken);
        }
        catch (TimeoutRejectedException)
        {
            return EhrAnswer.Failed(EhrFailure.TimedOut);
        }
    }

    // One try, and a second one with another token when the first token was refused: once a request, however often it is tried.
    private async ValueTask<EhrAnswer> TryAsync(Call call, CancellationToken cancellationToken)
    {
        var answer = await ThroughCircuitAsync(call, cancellationToken);
        if (answer.Failure != EhrFailure.Unauthorized || call.RejectedSerial != 0 || call.Serial == 0)
        {
            return answer;
        }

        answer.Dispose();
        call.RejectedSerial = call.Serial;
        return await ThroughCircuitAsync(call, cancellationToken);
    }

    private async ValueTask<EhrAnswer> ThroughCircuitAsync(Call call, CancellationToken cancellationToken)
    {
        try
        {
            return await circuits.For(call.Tenant).ExecuteAsync(
                static (state, ct) => state.Client.AttemptAsync(state.Call, ct), (Client: this, Call: call), cancellationToken);
        }
        catch (BrokenCircuitException e)
        {
            return EhrAnswer.Failed(EhrFailure.CircuitOpen, retryAfter: e.RetryAfter);
        }
    }

    private async ValueTask<EhrAnswer> AttemptAsync(Call call, CancellationToken cancellationToken)
    {
        using var permit = await call.Access.Permit(cancellationToken);
        var result = await call.Access.Token(call.RejectedSerial, cancellationToken);
        if (result.Token is not { } token)
        {
            return EhrAnswer.Failed(EhrFailure.NoToken, problem: result.Failure);
        }

        call.Serial = token.Serial;
        // I7, the last word: whatever the URL is, the token goes to its own origin or not at all.
        if (!Origin.TryParse(token.Origin, out var issuedFor) || !Origin.TryParse(call.Request.Url, out var target) || target != issuedFor)
        {
            return EhrAnswer.Failed(EhrFailure.ForeignOrigin);
        }

        using var message = Compose(call.Request, token);
        permit.Attach(message);
        var (response, failure) = await HeadersAsync(call.Tenant, call.Connection, message, cancellationToken);
        if (response is null)
        {
            return EhrAnswer.Failed(failure);
        }

        permit.Arrived();
        if (call.KeepsOpen)
        {
            return await KeepAsync(call, response);
        }

        using (response)
        {
            return await ReadAsync(call, response, cancellationToken);
        }
    }

    private static HttpRequestMessage Compose(EhrRequest request, AccessToken? token)
    {
        var message = new HttpRequestMessage(request.Method, request.Url);
        message.Headers.Accept.ParseAdd(request.Accept);
        message.Headers.UserAgent.Add(UserAgent);
        foreach (var (name, value) in request.Headers)
        {
            message.Headers.TryAddWithoutValidation(name, value);
        }

        message.Headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token.Value);
        if (token is { ApiKeyHeader: { } header, ApiKey: { } key })
        {
            message.Headers.TryAddWithoutValidation(header, key);
        }

        if (request.Form is { } form)
        {
            message.Content = new FormUrlEncodedContent(form.Select(static p => KeyValuePair.Create(p.Name, p.Value)));
        }
        else if (!request.Body.IsEmpty)
        {
            message.Content = new ReadOnlyMemoryContent(request.Body);
            message.Content.Headers.ContentType = FhirJson;
        }

        return message;
    }

    private async ValueTask<(HttpResponseMessage? Response, EhrFailure Failure)> HeadersAsync(
        TenantId tenant, ConnectionSpec connection, HttpRequestMessage message, CancellationToken cancellationToken)
    {
        try
        {
            var client = egress.For(tenant, connection);
            var response = await untilHeaders.ExecuteAsync(
                static async (state, ct) => await state.client.SendAsync(state.message, HttpCompletionOption.ResponseHeadersRead, ct),
                (client, message),
                cancellationToken);
            return (response, EhrFailure.None);
        }
        catch (TimeoutRejectedException)
        {
            return (null, EhrFailure.TimedOut);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return (null, EhrFailure.ConnectFailed); // the handler's own ConnectTimeout
        }
        catch (Exception e) when (PermitLapsedException.IsIn(e))
        {
            return (null, EhrFailure.PermitLapsed);
        }
        catch (EgressRefusedException e)
        {
            return (null, Refused(tenant, e));
        }
        catch (HttpRequestException e)
        {
            return (null, EgressRefusedException.In(e) is { } refused ? Refused(tenant, refused) : EhrFailures.Of(e.HttpRequestError));
        }
    }

    private EhrFailure Refused(TenantId tenant, EgressRefusedException e)
    {
        metrics.Refused(e.Reason == EgressRefusal.Scheme ? "scheme" : "address");
        EgressWasRefused(log, tenant, e.Reason);
        return EhrFailure.EgressRefused;
    }

    [LoggerMessage(2504, LogLevel.Warning, "The egress guard let a request of tenant {Tenant} not out: {Reason}")]
    private static partial void EgressWasRefused(ILogger logger, TenantId tenant, EgressRefusal reason);

    [LoggerMessage(2505, LogLevel.Debug, "{Op} {Resource} at tenant {Tenant} failed: {Failure}, status {Status}")]
    private static partial void RequestFailed(ILogger logger, TenantId tenant, string op, string resource, EhrFailure failure, int status);

    // What the tries of one request share.
    private sealed class Call(TenantId tenant, ConnectionSpec connection, EhrRequest request, EhrAccess access)
    {
        public TenantId Tenant { get; } = tenant;

        public ConnectionSpec Connection { get; } = connection;

        public EhrRequest Request { get; } = request;

        public EhrAccess Access { get; } = access;

        public bool KeepsOpen { get; init; }

        public long Serial { get; set; }

        public long RejectedSerial { get; set; }

        private HttpResponseMessage? Response { get; set; }

        public void Keep(HttpResponseMessage response)
        {
            Response?.Dispose();
            Response = response;
        }

        public HttpResponseMessage? Take()
        {
            var response = Response;
            Response = null;
            return response;
        }
    }
}

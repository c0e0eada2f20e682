using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Smart;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Tokens;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.GrainStorage;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;

namespace EhrGrains.Grains.Tokens;

/// <summary>
/// One OAuth session with a hospital. Reentrant, so that any number of callers can wait for one refresh: the token and the
/// failure are replaced whole and only by <see cref="flight"/>, of which there is one at a time, and by a reset, which makes a
/// flight that is under way start over. Asks the tenant's grain only through methods that interleave there, so that a tenant
/// in the middle of a command is no cycle.
/// </summary>
[GrainType("ehr.token"), Reentrant]
internal sealed partial class TokenSessionGrain(
    [PersistentState("token", EhrGrainsStorage.Name)] IPersistentState<TokenSessionState> stored,
    TokenRequests requests,
    SmartDiscovery discovery,
    CallerTickets tickets,
    TimeProvider time,
    ILogger<TokenSessionGrain> log) : Grain, ITokenSessionGrain
{
    private const int CredentialRoundsMax = 3;

    private readonly Turns writes = new();
    private Task<TokenResult>? flight;
    private TokenResult? failure;
    private int failures;
    private int resets;
    private DateTimeOffset askAgainAt;
    private DateTimeOffset rejectionsFrom;

    private TenantId Tenant { get; set; }

    private IHospitalTenantGrain TenantGrain => GrainFactory.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(Tenant));

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        Tenant = GrainKeys.TryGetTenant(key, out var tenant) && key == GrainKeys.TokenSession(tenant, GrainKeys.BackendPurpose)
            ? tenant
            : throw new ProblemException(ProblemKind.Invalid, "EHR-TOK-001", "", "There is no token session of this purpose.");
        return Task.CompletedTask;
    }

    public async Task<TokenResult> GetTokenAsync(long rejectedSerial, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var token = stored.State.Token;
        var use = TokenPolicy.Judge(token, rejectedSerial, now);
        if (use == TokenUse.Fresh)
        {
            return new TokenResult { Token = token };
        }

        if (flight is null && now < askAgainAt)
        {
            return use == TokenUse.Due ? new TokenResult { Token = token } : failure!;
        }

        if (flight is null && use == TokenUse.Gone && TokenPolicy.Judge(token, 0, now) == TokenUse.Fresh)
        {
            // The EHR refuses a token that should be good. One that it takes back is replaced; a hospital that refuses every
            // token is not asked for one more with every query.
            if (now < rejectionsFrom)
            {
                return Failed(
                    "EHR-TOK-002",
                    "The EHR refuses access tokens that its token endpoint has just issued. Check the granted scopes and the base URL.",
                    transient: true);
            }

            rejectionsFrom = now + TokenPolicy.RejectionInterval;
        }

        flight ??= RefreshAsync();
        return use == TokenUse.Due ? new TokenResult { Token = token } : await flight.WaitAsync(cancellationToken);
    }

    public Task<TokenSessionDescription> DescribeAsync(CancellationToken cancellationToken) => Task.FromResult(new TokenSessionDescription
    {
        Serial = stored.State.Serial,
        ExpiresAt = stored.State.Token?.ExpiresAt,
        Scope = stored.State.Token?.Scope,
        LastFailure = failure?.Failure,
        CredentialVersion = stored.State.CredentialVersion,
    });

    public async Task ResetAsync(CancellationToken cancellationToken)
    {
        resets++;
        (failure, failures, askAgainAt, rejectionsFrom) = (null, 0, default, default);
        await writes.RunAsync(async () =>
        {
            if (stored.State.Token is not null)
            {
                stored.State = new TokenSessionState { Serial = stored.State.Serial };
                await stored.WriteStateAsync(CancellationToken.None);
            }

            return true;
        });
    }

    private async Task<TokenResult> RefreshAsync()
    {
        // Nobody's call: the first who asked may be gone long before the others have their token.
        using var system = tickets.EnterSystem();
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.ForceYielding);
        try
        {
            while (true)
            {
                var began = resets;
                var begin = time.GetUtcNow();
                var (answer, version, origin) = await AskAsync();
                var result = answer.Failure is not null && began == resets
                    ? Fail(answer)
                    : await KeepAsync(answer, version, origin, begin, began);
                if (result is not null)
                {
                    return result;
                }
            }
        }
        catch (Exception e) when (e is not ProblemException)
        {
            // The store or the tenant's grain is out of order. The next activation starts from what is stored.
            LogBroken(log, e, Tenant);
            DeactivateOnIdle();
            return Fail(new TokenAnswer { Failure = Broken, Transient = true });
        }
        catch (ProblemException e)
        {
            return Fail(new TokenAnswer { Failure = e.Problems[0], Transient = e.Kind == ProblemKind.Unavailable });
        }
        finally
        {
            flight = null;
        }
    }

    private async Task<(TokenAnswer Answer, int Version, string Origin)> AskAsync()
    {
        var snapshot = await TenantGrain.GetSnapshotAsync(CancellationToken.None);
        var connection = snapshot.Spec.Connection;
        if (snapshot.Lifecycle is not (Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live))
        {
            return (Refused("EHR-TOK-003", "The tenant is not open for queries: nothing is sent to the hospital now."), 0, "");
        }

        if (VendorProfiles.For(snapshot) is not { } profile)
        {
            return (Refused("EHR-TOK-004", "The tenant's vendor profile is not known to this version."), 0, "");
        }

        var endpoint = connection.TokenEndpoint ?? snapshot.PinnedTokenEndpoint;
        if (endpoint is null)
        {
            var found = await discovery.DiscoverAsync(Tenant, connection, CancellationToken.None);
            if (found.TokenEndpoint is null)
            {
                return (new TokenAnswer { Failure = found.Failure, Transient = found.Transient }, 0, "");
            }

            endpoint = await TenantGrain.PinTokenEndpointAsync(found.TokenEndpoint, CancellationToken.None);
        }

        var (answer, version) = await AskWithCredentialsAsync(connection, profile, endpoint);
        if (answer is { Failure: not null, InvalidClient: false } && connection.TokenEndpoint is null)
        {
            await ComparePinnedAsync(connection);
        }

        return (answer, version, Origin.Of(new Uri(connection.BaseUrl)).ToString());
    }

    /// <summary>
    /// Asks with the active credential and, when the hospital does not take that, once with the one before. When neither is
    /// taken but the tenant's credentials have changed meanwhile, with the new ones.
    /// </summary>
    private async Task<(TokenAnswer Answer, int Version)> AskWithCredentialsAsync(
        ConnectionSpec connection, VendorProfile profile, string endpoint)
    {
        var credentials = await TenantGrain.GetSealedCredentialsAsync(CancellationToken.None);
        for (var round = 1; ; round++)
        {
            var answer = Refused("EHR-TOK-005", "The tenant has no active credential. Add one and activate it.");
            foreach (var credential in credentials)
            {
                answer = await requests.SendAsync(Tenant, connection, profile, endpoint, credential, CancellationToken.None);
                if (!answer.InvalidClient)
                {
                    if (credential.State == CredentialState.Retiring && answer.Failure is null)
                    {
                        LogFellBack(log, Tenant, credential.Version);
                    }

                    return (answer, credential.Version);
                }
            }

            var now = await TenantGrain.GetSealedCredentialsAsync(CancellationToken.None);
            if (round == CredentialRoundsMax
                || now.Select(credential => credential.Version).SequenceEqual(credentials.Select(credential => credential.Version)))
            {
                return (answer, 0);
            }

            credentials = now;
        }
    }

    /// <summary>A hospital that moved its token endpoint is reported as that, not as whatever the old endpoint answers.</summary>
    private async Task ComparePinnedAsync(ConnectionSpec connection)
    {
        var found = await discovery.DiscoverAsync(Tenant, connection, CancellationToken.None);
        if (found.TokenEndpoint is not null)
        {
            await TenantGrain.PinTokenEndpointAsync(found.TokenEndpoint, CancellationToken.None);
        }
    }

    /// <summary>Stores and answers the token; null when a reset came between, and the token is of a connection that is no more.</summary>
    private Task<TokenResult?> KeepAsync(TokenAnswer answer, int version, string origin, DateTimeOffset begin, int began) =>
        writes.RunAsync(async () =>
        {
            if (began != resets)
            {
                return null;
            }

            var life = answer.ExpiresIn ?? TimeSpan.FromMinutes(5);
            var end = begin + life;
            var serial = stored.State.Serial + 1;
            var token = new AccessToken(answer.AccessToken!, serial, end - TokenPolicy.Margin(life), end, answer.Scope ?? "", origin)
            {
                ApiKeyHeader = answer.ApiKeyHeader,
                ApiKey = answer.ApiKey,
            };
            stored.State = new TokenSessionState { Serial = serial, Token = token, CredentialVersion = version };
            await stored.WriteStateAsync(CancellationToken.None);
            (failure, failures, askAgainAt) = (null, 0, default);
            LogRefreshed(log, Tenant, serial, version);
            return new TokenResult { Token = token };
        });

    private TokenResult Fail(TokenAnswer answer)
    {
        failures++;
        var wait = TokenPolicy.BackOff(failures, answer.RetryAfter, Random.Shared.NextDouble());
        askAgainAt = time.GetUtcNow() + wait;
        failure = new TokenResult { Failure = answer.Failure, Transient = answer.Transient };
        LogFailed(log, Tenant, answer.Failure!.Code, failures, wait);
        return failure;
    }

    private static TokenAnswer Refused(string code, string message) => new() { Failure = new Problem(code, "", message) };

    private static TokenResult Failed(string code, string message, bool transient) =>
        new() { Failure = new Problem(code, "", message), Transient = transient };

    private static readonly Problem Broken = new("EHR-TOK-006", "", "The token session could not be read or stored. Try again.");

    [LoggerMessage(2000, LogLevel.Information, "Token {Serial} of tenant {Tenant} was fetched with credential {Version}.")]
    private static partial void LogRefreshed(ILogger logger, TenantId tenant, long serial, int version);

    [LoggerMessage(
        2001,
        LogLevel.Warning,
        "Tenant {Tenant} did not take its active credential; {Version}, the one before it, was used. Check its copy of our keys.")]
    private static partial void LogFellBack(ILogger logger, TenantId tenant, int version);

    [LoggerMessage(
        2002,
        LogLevel.Warning,
        "No token for tenant {Tenant} ({Code}, failure {Failures} in a row); the next request is sent after {Wait}.")]
    private static partial void LogFailed(ILogger logger, TenantId tenant, string code, int failures, TimeSpan wait);

    [LoggerMessage(2003, LogLevel.Error, "The token session of tenant {Tenant} is out of order.")]
    private static partial void LogBroken(ILogger logger, Exception exception, TenantId tenant);
}

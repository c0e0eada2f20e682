using System.Collections.Immutable;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Quirks;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Tokens;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Credentials;
using EhrGrains.Grains.Records;
using EhrGrains.Storage.Feeds;
using EhrGrains.Storage.GrainStorage;
using EhrGrains.Storage.Tenants;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Storage;

namespace EhrGrains.Grains.Tenants;

/// <summary>
/// One hospital tenant. Commands run one after the other; reads, and the pinning of a token endpoint, interleave with them, and
/// may: reads see only what is committed, and every change is a function of the committed state that is applied under
/// <see cref="commits"/>, so that a change that interleaves with a long command is not lost.
/// </summary>
[GrainType("ehr.tenant")]
internal sealed partial class HospitalTenantGrain(
    [FromKeyedServices(EhrGrainsStorage.Name)] IGrainStorage storage,
    TenantTable directory,
    FeedTable feeds,
    CommandAudit audit,
    CredentialSecrets secrets,
    CredentialCheck check,
    IOptions<CredentialOptions> options,
    TimeProvider time,
    ILogger<HospitalTenantGrain> log) : Grain, IHospitalTenantGrain, IRemindable
{
    private const int GrantsMax = 1_000;
    private const int ScopesMax = 200;

    private readonly Turns commits = new();
    private TenantStore store = null!;
    private TenantState committed = new();
    private TenantSnapshot? snapshot;

    private TenantId Tenant { get; set; }

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        Tenant = TenantId.TryParse(this.GetPrimaryKeyString(), out var tenant)
            ? tenant
            : throw new ProblemException(ProblemKind.NotFound, "EHR-TEN-100", "tenant", "There is no such tenant.");
        store = new TenantStore(storage, this.GetGrainId());
        committed = await store.ReadAsync() ?? new TenantState { Lifecycle = Lifecycle.Offboarded };

        // A crash between the last commit and the destruction of the keys.
        if (committed is { Lifecycle: Lifecycle.Offboarded, Version: > 0 })
        {
            await secrets.DestroyAsync(Tenant, cancellationToken);
        }

        if (FeedRows(committed).Count > 0)
        {
            await ListFeedsAsync(committed);
        }
    }

    public async Task<TenantChange> RegisterAsync(TenantSpec spec, bool dryRun, CancellationToken cancellationToken)
    {
        var problems = TenantSpecRules.Validate(spec).ToList();
        if (problems.Count == 0)
        {
            problems.AddRange(VendorRules.Check(spec));
            problems.AddRange(SiteMappings.Check(spec));
            if (spec.Tenant != Tenant.Value)
            {
                problems.Add(new("EHR-TEN-007", "tenant", "The id in the spec is not the id that the command went to."));
            }

            if (committed is { Version: > 0, Lifecycle: not Lifecycle.Draft } && committed.Spec!.Environment != spec.Environment)
            {
                problems.Add(new(
                    "EHR-TEN-006", "environment", "A tenant is one site in one environment: register the other one under its own id."));
            }
        }

        if (problems.Count > 0)
        {
            throw new ProblemException(ProblemKind.Invalid, problems);
        }

        ThrowIfOffboarded();
        return await StateAsync(spec, dryRun, cancellationToken);
    }

    public async Task<TenantChange> UpdateConnectionAsync(ConnectionSpec connection, CancellationToken cancellationToken)
    {
        var spec = Registered().Spec!;
        ThrowIfOffboarded();
        var problems = TenantSpecRules.ValidateConnection(connection, spec.Environment).ToList();
        if (problems.Count == 0)
        {
            problems.AddRange(VendorRules.Check(spec with { Connection = connection }));
        }

        return problems.Count == 0
            ? await StateAsync(spec with { Connection = connection }, dryRun: false, cancellationToken)
            : throw new ProblemException(ProblemKind.Invalid, problems);
    }

    public Task<TenantDescription> DescribeAsync(CancellationToken cancellationToken) => Task.FromResult(Describe(Registered()));

    public async Task<TenantDescription> ChangeLifecycleAsync(Lifecycle lifecycle, string reason, CancellationToken cancellationToken)
    {
        var before = Registered();
        if (before.Lifecycle == lifecycle)
        {
            return Describe(before);
        }

        var active = CredentialWalk.Active(before.Credentials) is not null;
        if (LifecycleRules.Check(before.Lifecycle, lifecycle, before.SuspendedFrom, active) is { } problem)
        {
            throw new ProblemException(ProblemKind.Conflict, [problem]);
        }

        var after = await audit.RunAsync(
            Tenant,
            $"tenant.{lifecycle.ToString().ToLowerInvariant()}",
            () => lifecycle == Lifecycle.Offboarded ? OffboardAsync() : CommitAsync(state => state with
            {
                Lifecycle = lifecycle,
                SuspendedFrom = lifecycle == Lifecycle.Suspended ? state.Lifecycle : state.SuspendedFrom,
            }),
            cancellationToken);

        if (lifecycle is Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live)
        {
            await GrainFactory.GetGrain<IQuirkLedgerGrain>(GrainKeys.Tenant(Tenant)).WatchAsync(cancellationToken);
        }

        // The reason is for people and may hold anything: it is not logged.
        LogLifecycle(log, Tenant, before.Lifecycle, lifecycle, reason.Length);
        return Describe(after);
    }

    public async Task GrantAsync(AppId app, string[] scopes, CancellationToken cancellationToken)
    {
        Registered();
        ThrowIfOffboarded();
        var problems = new List<Problem>();
        if (scopes.Length is 0 or > ScopesMax)
        {
            problems.Add(new("EHR-TEN-090", "scopes", "Give 1 to 200 scopes."));
        }

        problems.AddRange(scopes.Take(ScopesMax).Index().Where(scope => !SmartScope.TryParse(scope.Item, out _))
            .Select(scope => new Problem(
                "EHR-TEN-091", $"scopes[{scope.Index}]", "Write a SMART v2 system scope, for example system/Patient.rs.")));
        if (committed.Grants.Length >= GrantsMax && committed.Grants.All(grant => grant.App != app))
        {
            problems.Add(new("EHR-TEN-092", "app", "The tenant has grants for 1,000 apps already."));
        }

        if (problems.Count == 0 && await GrainFactory.GetGrain<IAppGrain>(GrainKeys.App(app)).GetClientAsync(cancellationToken) is null)
        {
            problems.Add(new("EHR-TEN-093", "app", "There is no such app, or it is disabled. Register it first."));
        }

        if (problems.Count > 0)
        {
            throw new ProblemException(ProblemKind.Invalid, problems);
        }

        await audit.RunAsync(Tenant, "grant.set", () => CommitAsync(state => state with
        {
            Grants = [.. state.Grants.Where(grant => grant.App != app), new Grant(app, scopes)],
        }), cancellationToken);
    }

    public async Task RevokeAsync(AppId app, CancellationToken cancellationToken)
    {
        if (Registered().Grants.Any(grant => grant.App == app))
        {
            await audit.RunAsync(Tenant, "grant.revoke", () => CommitAsync(state => state with
            {
                Grants = [.. state.Grants.Where(grant => grant.App != app)],
            }), cancellationToken);
        }
    }

    public Task<TenantSnapshot> GetSnapshotAsync(CancellationToken cancellationToken)
    {
        var state = Registered();
        return Task.FromResult(snapshot ??= new TenantSnapshot
        {
            Spec = state.Spec!,
            Lifecycle = state.Lifecycle,
            Grants = [.. state.Grants],
            Version = state.Version,
            PinnedTokenEndpoint = state.PinnedTokenEndpoint,
            ProbedProfile = state.ProbedProfile,
        });
    }

    public async Task<string> PinTokenEndpointAsync(string tokenEndpoint, CancellationToken cancellationToken)
    {
        Registered();
        var state = await CommitAsync(
            before => before.PinnedTokenEndpoint is null ? before with { PinnedTokenEndpoint = tokenEndpoint } : before);
        return state.PinnedTokenEndpoint == tokenEndpoint
            ? tokenEndpoint
            : throw new ProblemException(
                ProblemKind.Conflict,
                "EHR-TEN-101",
                "connection.tokenEndpoint",
                "The hospital now names another token endpoint than the one that was pinned. "
                + "If that is right, state it in connection.tokenEndpoint.");
    }

    public async Task AdoptProbedProfileAsync(string? profile, CancellationToken cancellationToken)
    {
        Registered();
        await CommitAsync(state => state with { ProbedProfile = profile });
    }

    private async Task<TenantChange> StateAsync(TenantSpec spec, bool dryRun, CancellationToken cancellationToken)
    {
        var before = committed;
        Difference[] differences = [.. TenantSpecRules.Differences(before.Spec, spec)];
        if (differences.Any(difference => difference.Path.StartsWith("feeds.", StringComparison.Ordinal)))
        {
            await CheckFeedsAsync(spec, cancellationToken);
        }

        if (dryRun || differences.Length == 0)
        {
            return new TenantChange(before.Version == 0, differences, before.Version);
        }

        var moved = differences.Any(difference => difference.Path
            is "connection.baseUrl" or "connection.tokenEndpoint" or "connection.vendor" or "connection.trustedCertificates");
        var action = before.Version == 0 ? "tenant.register" : "tenant.update";
        var after = await audit.RunAsync(Tenant, action, () => CommitAsync(state => state with
        {
            Spec = spec,
            PinnedTokenEndpoint = moved ? null : state.PinnedTokenEndpoint,
            ProbedProfile = moved ? null : state.ProbedProfile,
        }), cancellationToken);
        if (before.Version > 0 && differences.Any(difference => difference.Path.StartsWith("connection.", StringComparison.Ordinal)))
        {
            await ResetTokensAsync(cancellationToken);
        }

        LogStated(log, Tenant, differences.Length);
        return new TenantChange(before.Version == 0, differences, after.Version);
    }

    private async Task<TenantState> OffboardAsync()
    {
        var after = await CommitAsync(state => state with
        {
            Lifecycle = Lifecycle.Offboarded,
            Credentials = CredentialWalk.RetireAll(state.Credentials, time.GetUtcNow()),
            Grants = [],
            PinnedTokenEndpoint = null,
        });
        await ResetTokensAsync(CancellationToken.None);
        await secrets.DestroyAsync(Tenant, CancellationToken.None);
        return after;
    }

    /// <summary>
    /// Applies a change to the committed state and makes the result the committed one. The directory hears of new grants before
    /// the state has them and of lost ones after, so that it never misses a tenant that an app may see.
    /// </summary>
    private Task<TenantState> CommitAsync(Func<TenantState, TenantState> change) => commits.RunAsync(async () =>
    {
        var before = committed;
        var next = change(before);
        next = next with { Credentials = CredentialWalk.Expire(next.Credentials, time.GetUtcNow()), Version = before.Version + 1 };
        if (next with { Version = before.Version } == before)
        {
            return before;
        }

        try
        {
            // Two fences a version: what is listed before the state is written, and what after. Also after, when nothing was lost:
            // a commit of the same version that failed earlier may have listed something else.
            var listed = Listing(before) != Listing(next) || !Apps(before).SetEquals(Apps(next));
            if (listed)
            {
                await directory.SaveAsync(Listing(next)!, [.. Apps(before).Union(Apps(next))], 2 * next.Version, CancellationToken.None);
            }

            await store.WriteAsync(next);
            (committed, snapshot) = (next, null);
            if (listed)
            {
                await directory.SaveAsync(Listing(next)!, Apps(next), (2 * next.Version) + 1, CancellationToken.None);
            }

            if (!FeedRows(before).ToHashSet().SetEquals(FeedRows(next)))
            {
                await ListFeedsAsync(next);
            }

            return next;
        }
        catch
        {
            // What was written is not known: the next activation reads it.
            DeactivateOnIdle();
            throw;
        }
    });

    private Task ResetTokensAsync(CancellationToken cancellationToken) =>
        GrainFactory.GetGrain<ITokenSessionGrain>(GrainKeys.TokenSession(Tenant, GrainKeys.BackendPurpose)).ResetAsync(cancellationToken);

    private TenantState Registered()
    {
        if (committed is { Spec: not null })
        {
            return committed;
        }

        // Nothing is kept in memory for ids that name no tenant.
        DeactivateOnIdle();
        throw committed.Lifecycle == Lifecycle.Offboarded
            ? new ProblemException(
                ProblemKind.NotFound, "EHR-TEN-102", "tenant", "The tenant was offboarded: its data cannot be read any more.")
            : new ProblemException(ProblemKind.NotFound, "EHR-TEN-100", "tenant", "There is no such tenant.");
    }

    private void ThrowIfOffboarded()
    {
        if (committed.Lifecycle == Lifecycle.Offboarded)
        {
            throw new ProblemException(
                ProblemKind.Conflict, [LifecycleRules.Check(Lifecycle.Offboarded, Lifecycle.Draft, default, false)!]);
        }
    }

    private TenantListing? Listing(TenantState state) => state.Spec is { } spec
        ? new TenantListing(Tenant, spec.DisplayName, spec.Connection.Vendor, spec.Environment, state.Lifecycle)
        : null;

    private static ImmutableHashSet<AppId> Apps(TenantState state) => [.. state.Grants.Select(grant => grant.App)];

    private static TenantDescription Describe(TenantState state) => new()
    {
        Spec = state.Spec!,
        Lifecycle = state.Lifecycle,
        Credentials = [.. state.Credentials.Reverse().Select(credential => credential.Summarize())],
        Grants = [.. state.Grants],
        Version = state.Version,
        PinnedTokenEndpoint = state.PinnedTokenEndpoint,
        ProbedProfile = state.ProbedProfile,
    };

    [LoggerMessage(1000, LogLevel.Information, "Tenant {Tenant} was stated: {Count} settings changed.")]
    private static partial void LogStated(ILogger logger, TenantId tenant, int count);

    [LoggerMessage(1001, LogLevel.Information, "Tenant {Tenant} went from {From} to {To} (reason given: {ReasonLength} characters).")]
    private static partial void LogLifecycle(ILogger logger, TenantId tenant, Lifecycle from, Lifecycle to, int reasonLength);
}

using System.Collections.Concurrent;
using System.Reflection;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Tenants;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Callers;

/// <summary>
/// Stands before every grain call of the silo. Default deny: an interface method of ours says by <see cref="RequiresAttribute"/>
/// what it asks, and one that says nothing is refused. Who calls is read from a ticket of this cluster or, from a client, from
/// an access token that is validated here; whatever else a request context holds proves nothing. The tenant of the grain's key
/// must be one that the caller may see (I4), on calls between grains too, so that a grain cannot be talked into asking another
/// tenant's grain on a caller's behalf.
/// </summary>
public sealed partial class CallerGate : IIncomingGrainCallFilter
{
    // What an Orleans client needs of the runtime: the map of grain types, and the cancellation of its own calls.
    private static readonly HashSet<string> OpenToClients = new(StringComparer.Ordinal)
    {
        "Orleans.Runtime.IClusterManifestSystemTarget",
        "Orleans.Runtime.IGrainCallCancellationExtension",
        "Orleans.Runtime.ICancellationSourcesExtension",
    };

    // Ordinary grains that steer the whole cluster.
    private static readonly HashSet<string> SystemOnly = new(StringComparer.Ordinal)
    {
        "Orleans.Runtime.IManagementGrain",
        "Orleans.Runtime.Versions.IVersionStoreGrain",
    };

    private readonly ConcurrentDictionary<MethodInfo, Rule> rules = new();
    private readonly CallerTickets tickets;
    private readonly AccessTokenValidator tokens;
    private readonly TenantSnapshots tenants;
    private readonly GrainMetrics metrics;
    private readonly ILogger<CallerGate> log;

    /// <summary>Creates the gate.</summary>
    public CallerGate(
        CallerTickets tickets, AccessTokenValidator tokens, TenantSnapshots tenants, IServiceProvider services, ILogger<CallerGate> log)
    {
        this.tickets = tickets;
        this.tokens = tokens;
        this.tenants = tenants;
        metrics = (GrainMetrics)services.GetService(typeof(GrainMetrics))!;
        this.log = log;
    }

    /// <inheritdoc/>
    public async Task Invoke(IIncomingGrainCallContext context)
    {
        var rule = rules.GetOrAdd(context.InterfaceMethod, RuleOf);
        if (!rule.IsOurs)
        {
            CheckRuntimeCall(rule, context);
            await context.Invoke();
            return;
        }

        if (rule.Permission is not { } permission)
        {
            throw Refusal(
                context, ProblemKind.Forbidden, "no_rule", "EHR-AUT-009", "This method states no permission and is therefore closed.");
        }

        var token = RequestContext.Get(CallContext.AccessToken) as string;
        var ticket = RequestContext.Get(CallContext.Ticket) as string;
        RequestContext.Remove(CallContext.AccessToken);
        RequestContext.Remove(CallContext.Ticket);

        var (caller, inCluster) = await IdentifyAsync(context, permission, IsFromOutside(context.SourceId) ? null : ticket, token);
        await AuthorizeAsync(context, permission, caller, inCluster);

        Caller.Current = caller;
        if (caller is not null)
        {
            RequestContext.Set(CallContext.Ticket, inCluster ? ticket! : tickets.Mint(caller));
        }

        await context.Invoke();
    }

    private async ValueTask<(Caller? Caller, bool InCluster)> IdentifyAsync(
        IIncomingGrainCallContext context, Permission permission, string? ticket, string? token)
    {
        if (ticket is not null)
        {
            return tickets.TryRead(ticket, out var inside)
                ? (inside, true)
                : throw Refusal(
                    context,
                    ProblemKind.Unauthenticated,
                    "ticket",
                    "EHR-AUT-003",
                    "The call carries a ticket that is not valid in this cluster.");
        }

        if (token is null || permission is Permission.Public or Permission.Internal)
        {
            return (null, false);
        }

        var verdict = await tokens.ValidateAsync(token, CancellationToken.None);
        return verdict.Caller is { } caller
            ? (caller, false)
            : throw Refusal(context, ProblemKind.Unauthenticated, "token", verdict.Refusal!.Code, verdict.Refusal.Message);
    }

    private async ValueTask AuthorizeAsync(IIncomingGrainCallContext context, Permission permission, Caller? caller, bool inCluster)
    {
        switch (permission)
        {
            case Permission.Public:
                return;
            case Permission.Internal when !inCluster:
                throw Refusal(
                    context, ProblemKind.Forbidden, "internal", "EHR-AUT-004", "This is for the cluster's own use and closed to clients.");
            case Permission.Internal when caller!.IsSystem:
                return;
        }

        if (caller is null)
        {
            throw Refusal(
                context,
                ProblemKind.Unauthenticated,
                "anonymous",
                "EHR-AUT-001",
                "No access token came with the call. Ask the token endpoint for one.");
        }

        var role = permission switch
        {
            Permission.Operate => AppRole.Operator,
            Permission.Administer or Permission.ReadMessages => AppRole.Admin,
            _ => AppRole.Application,
        };
        if (caller.IsSystem || caller.Role < role)
        {
            throw Refusal(
                context, ProblemKind.Forbidden, "role", "EHR-AUT-005", $"This asks for the role {role.ToString().ToLowerInvariant()}.");
        }

        if (permission is Permission.ReadMessages && !caller.Scopes.Contains(CallContext.ReadMessagesScope))
        {
            throw Refusal(
                context, ProblemKind.Forbidden, "scope", "EHR-AUT-010",
                $"Raw messages hold patient data: this asks for a token with the scope {CallContext.ReadMessagesScope}.");
        }

        if (permission is Permission.Query || (permission is Permission.Internal && caller.Role == AppRole.Application))
        {
            await CheckKeyAsync(context, caller);
        }
    }

    // One answer for every reason: who may not see a tenant does not learn whether it exists.
    private async ValueTask CheckKeyAsync(IIncomingGrainCallContext context, Caller caller)
    {
        var key = context.TargetId.Key.ToString()!;
        bool allowed;
        if (GrainKeys.TryGetTenant(key, out var tenant))
        {
            allowed = IsGranted(await tenants.GetAsync(tenant, CancellationToken.None), caller)
                || IsGranted(await tenants.GetNowAsync(tenant, CancellationToken.None), caller);
        }
        else
        {
            allowed = GrainKeys.TryGetApp(key, out var app) ? app == caller.App : key is Federation.Key or TenantDirectory.Key;
        }

        if (!allowed)
        {
            throw Refusal(
                context, ProblemKind.NotFound, "grant", "EHR-AUT-006", "There is no such tenant, or this app has no grant there.");
        }
    }

    private static bool IsGranted(TenantSnapshot? tenant, Caller caller) =>
        tenant is not null && tenant.Grants.Any(grant => grant.App == caller.App);

    // The runtime's own calls come from its system targets and grains. Who an Orleans message says it is from is the sender's
    // word: mutual TLS on the gateway port is what keeps strangers out, this keeps an honest client honest.
    private void CheckRuntimeCall(Rule rule, IIncomingGrainCallContext context)
    {
        var allowed = rule.IsOpenToClients
            || (!rule.IsSystemOnly && !IsFromOutside(context.SourceId))
            || (tickets.TryRead(RequestContext.Get(CallContext.Ticket) as string, out var caller) && caller.IsSystem);
        if (!allowed)
        {
            throw Refusal(context, ProblemKind.Forbidden, "runtime", "EHR-AUT-007", "The runtime's own interfaces are closed to clients.");
        }
    }

    // A silo's own threads call as its hosted client, which Orleans names hosted-{silo address}.
    private static bool IsFromOutside(GrainId? source) =>
        source is { } id && id.Type.IsClient() && !id.Key.AsSpan().StartsWith("hosted-"u8);

    private static Rule RuleOf(MethodInfo method)
    {
        var declaring = method.DeclaringType;
        var ours = declaring?.Assembly.GetName().Name?.StartsWith("EhrGrains.", StringComparison.Ordinal) ?? false;
        return new Rule(
            ours,
            method.GetCustomAttribute<RequiresAttribute>()?.Permission,
            OpenToClients.Contains(declaring?.FullName ?? ""),
            SystemOnly.Contains(declaring?.FullName ?? ""));
    }

    private ProblemException Refusal(IIncomingGrainCallContext context, ProblemKind kind, string reason, string code, string message)
    {
        metrics.CallRefused(reason);
        LogRefused(log, context.InterfaceName, context.MethodName, reason);
        return new ProblemException(kind, code, "", message);
    }

    [LoggerMessage(1110, LogLevel.Information, "A call of {Interface}.{Method} was refused: {Reason}.")]
    private static partial void LogRefused(ILogger logger, string @interface, string method, string reason);

    private sealed record Rule(bool IsOurs, Permission? Permission, bool IsOpenToClients, bool IsSystemOnly);
}

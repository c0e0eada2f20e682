using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Audit;
using EhrGrains.Grains.Audit;
using EhrGrains.Storage.GrainStorage;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Apps;

/// <summary>
/// One app. Commands run one after the other; what the token endpoint asks interleaves with them and sees what is committed.
/// </summary>
[GrainType("ehr.app")]
internal sealed partial class AppGrain(
    [PersistentState("app", EhrGrainsStorage.Name)] IPersistentState<AppState> stored,
    AppSecrets secrets,
    CommandAudit audit,
    ILogger<AppGrain> log) : Grain, IAppGrain
{
    private AppState committed = new();

    private AppId App { get; set; }

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        App = GrainKeys.TryGetApp(key, out var app) && key == GrainKeys.App(app)
            ? app
            : throw new ProblemException(ProblemKind.NotFound, "EHR-APP-100", "app", "There is no such app.");
        committed = stored.State;
        return Task.CompletedTask;
    }

    public async Task<AppRegistration> RegisterAsync(AppSpec spec, CancellationToken cancellationToken)
    {
        ThrowIfInvalid(spec);
        return await audit.RunAsync(AuditChains.Cluster, "app.register", () => KeepAsync(spec), cancellationToken);
    }

    public Task<AppSpec?> DescribeAsync(CancellationToken cancellationToken) => Task.FromResult(committed.Disabled ? null : committed.Spec);

    public async Task DisableAsync(CancellationToken cancellationToken)
    {
        if (committed.Spec is null)
        {
            throw new ProblemException(ProblemKind.NotFound, "EHR-APP-100", "app", "There is no such app.");
        }

        if (!committed.Disabled)
        {
            await audit.RunAsync(
                AuditChains.Cluster, "app.disable", () => CommitAsync(committed with { Disabled = true }), cancellationToken);
            LogDisabled(log, App);
        }
    }

    public Task<AppClient?> GetClientAsync(CancellationToken cancellationToken)
    {
        if (committed is { Spec: { } spec, Disabled: false })
        {
            return Task.FromResult<AppClient?>(new AppClient(spec, committed.SecretHash));
        }

        // Nothing is kept in memory for client ids that name no app.
        DeactivateOnIdle();
        return Task.FromResult<AppClient?>(null);
    }

    public async Task BootstrapAsync(AppSpec spec, CancellationToken cancellationToken)
    {
        ThrowIfInvalid(spec);
        if (committed.Spec is null)
        {
            await audit.RunAsync(AuditChains.Cluster, "app.bootstrap", () => KeepAsync(spec), cancellationToken);
        }
    }

    private async Task<AppRegistration> KeepAsync(AppSpec spec)
    {
        SecretText? secret = null;
        byte[]? hash = null;
        if (spec.JsonWebKeySet is null)
        {
            (secret, hash) = secrets.Create(App);
        }

        await CommitAsync(new AppState { Spec = spec, SecretHash = hash });
        LogRegistered(log, App, spec.Role);
        return new AppRegistration(App, secret);
    }

    private async Task CommitAsync(AppState next)
    {
        stored.State = next;
        try
        {
            await stored.WriteStateAsync(CancellationToken.None);
            committed = next;
        }
        catch
        {
            // What was written is not known: the next activation reads it.
            DeactivateOnIdle();
            throw;
        }
    }

    private void ThrowIfInvalid(AppSpec spec)
    {
        var problems = AppSpecRules.Validate(spec, App);
        if (problems.Count > 0)
        {
            throw new ProblemException(ProblemKind.Invalid, problems);
        }
    }

    [LoggerMessage(1020, LogLevel.Information, "App {App} was registered with the role {Role}.")]
    private static partial void LogRegistered(ILogger logger, AppId app, AppRole role);

    [LoggerMessage(1021, LogLevel.Information, "App {App} was disabled.")]
    private static partial void LogDisabled(ILogger logger, AppId app);
}

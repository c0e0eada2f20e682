using System.Security.Cryptography;
using System.Text;
using EhrGrains.Connect.Smart;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Credentials;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Tenants;

internal sealed partial class HospitalTenantGrain
{
    private const string OverlapReminder = "credential-overlap";
    private const int SecretLengthMax = 1_024;

    public async Task<CredentialSummary> AddCredentialAsync(NewCredential credential, CancellationToken cancellationToken)
    {
        CheckCommand(credential);
        var staged = await audit.RunAsync(Tenant, "credential.add", () => StageAsync(credential, cancellationToken), cancellationToken);
        return staged.Summarize();
    }

    public async Task<CredentialSummary> ActivateCredentialAsync(int version, CancellationToken cancellationToken)
    {
        CheckCommand(null);
        var credential = Registered().Credentials.FirstOrDefault(credential => credential.Version == version)
            ?? throw new ProblemException(ProblemKind.NotFound, "EHR-CRE-001", "version", "The tenant has no credential of this version.");
        if (credential.State == CredentialState.Active)
        {
            return credential.Summarize();
        }

        if (credential.State is not (CredentialState.Staged or CredentialState.Verified))
        {
            throw new ProblemException(
                ProblemKind.Conflict,
                "EHR-CRE-002",
                "version",
                "Only a staged credential can be activated; this one has been replaced. Add a new one.");
        }

        return await audit.RunAsync(
            Tenant, "credential.activate", () => VerifyAndActivateAsync(credential, cancellationToken), cancellationToken);
    }

    public async Task<RotationReceipt> RotateCredentialAsync(NewCredential credential, CancellationToken cancellationToken)
    {
        CheckCommand(credential);
        return await audit.RunAsync(Tenant, "credential.rotate", () => RotateAsync(credential, cancellationToken), cancellationToken);
    }

    public Task<byte[]> GetJsonWebKeySetAsync(CancellationToken cancellationToken) =>
        Task.FromResult(ClientKeys.WriteJwks(CredentialWalk.Published(Registered().Credentials, time.GetUtcNow())));

    public Task<SealedCredential[]> GetSealedCredentialsAsync(CancellationToken cancellationToken) =>
        Task.FromResult<SealedCredential[]>([.. CredentialWalk.Usable(Registered().Credentials, time.GetUtcNow()).Select(Sealed)]);

    /// <summary>An overlap is over: what it kept is retired, also when nobody asks for the tenant.</summary>
    public async Task ReceiveReminder(string reminderName, TickStatus status)
    {
        var state = committed.Spec is null ? committed : await CommitAsync(state => state);
        if (CredentialWalk.NextExpiry(state.Credentials) is null && await this.GetReminder(reminderName) is { } reminder)
        {
            await this.UnregisterReminder(reminder);
        }
    }

    private async Task<CredentialSummary> VerifyAndActivateAsync(Credential credential, CancellationToken cancellationToken)
    {
        if (credential.State == CredentialState.Staged)
        {
            var verdict = await VerifyAsync(credential, cancellationToken);
            if (verdict.Failure is { } failure)
            {
                await CommitAsync(
                    state => state with { Credentials = CredentialWalk.Refuse(state.Credentials, credential.Version, failure.Message) });
                throw new ProblemException(ProblemKind.CheckFailed, [failure]);
            }
        }

        var after = await ActivateAsync(credential.Version);
        return after.Credentials.First(active => active.Version == credential.Version).Summarize();
    }

    private async Task<RotationReceipt> RotateAsync(NewCredential credential, CancellationToken cancellationToken)
    {
        var steps = new List<RotationStep>();
        var previous = CredentialWalk.Active(committed.Credentials)?.Version;
        var staged = await StageAsync(credential, cancellationToken);
        Note($"Credential {staged.Version} was staged" + (staged.KeyId is { } keyId ? $" and its key {keyId} published." : "."));

        CredentialVerdict verdict;
        try
        {
            verdict = await VerifyAsync(staged, cancellationToken);
        }
        catch
        {
            await WithdrawAsync(staged, "The rotation was broken off.");
            throw;
        }

        if (verdict.Failure is { } failure)
        {
            await WithdrawAsync(staged, failure.Message);
            LogRefused(log, Tenant, staged.Version, failure.Code);
            Note($"The hospital did not take it in {verdict.Attempts} token requests: [{failure.Code}] {failure.Message}");
            Note(previous is null ? "It was withdrawn." : $"It was withdrawn. Credential {previous} stays the active one.");
            return new RotationReceipt { Previous = previous, Active = previous, Succeeded = false, Steps = [.. steps] };
        }

        Note($"The hospital took it in a token request (attempt {verdict.Attempts}).");
        var after = await ActivateAsync(staged.Version);
        Note(previous is null
            ? $"Credential {staged.Version} is the active one."
            : $"Credential {staged.Version} is the active one. "
                + $"Credential {previous} stays published as fall-back until {CredentialWalk.NextExpiry(after.Credentials):u}.");
        return new RotationReceipt { Previous = previous, Active = staged.Version, Succeeded = true, Steps = [.. steps] };

        void Note(string what) => steps.Add(new RotationStep(time.GetUtcNow(), what));
    }

    private async Task<Credential> StageAsync(NewCredential credential, CancellationToken cancellationToken)
    {
        var version = CredentialWalk.NextVersion(committed.Credentials);
        var key = credential.Secret is null ? ClientKeys.Create(credential.Method) : null;
        var secret = key?.Pkcs8 ?? Encoding.UTF8.GetBytes(credential.Secret!.Value.Reveal());
        try
        {
            var now = time.GetUtcNow();
            var staged = new Credential
            {
                Version = version,
                Method = credential.Method,
                State = CredentialState.Staged,
                KeyId = key?.KeyId,
                PublicJwk = key is null ? null : ClientKeys.PublicJwk(credential.Method, key.KeyId, key.Pkcs8),
                SealedSecret = await secrets.SealAsync(Tenant, version, credential.Method, secret, cancellationToken),
                CreatedAt = now,
            };
            await CommitAsync(state => state with { Credentials = CredentialWalk.Stage(state.Credentials, staged, now) });
            return staged;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private async Task<CredentialVerdict> VerifyAsync(Credential credential, CancellationToken cancellationToken)
    {
        var verdict = await check.RunAsync(
            Tenant, committed.Spec!.Connection, committed.PinnedTokenEndpoint, Sealed(credential), cancellationToken);
        if (verdict.Failure is null)
        {
            await CommitAsync(state => state with
            {
                Credentials = CredentialWalk.Verify(state.Credentials, credential.Version),
                PinnedTokenEndpoint = state.PinnedTokenEndpoint ?? verdict.TokenEndpoint,
            });
        }

        return verdict;
    }

    private async Task<TenantState> ActivateAsync(int version)
    {
        var after = await CommitAsync(state => state with
        {
            Credentials = CredentialWalk.Activate(state.Credentials, version, time.GetUtcNow(), options.Value.Overlap),
        });
        if (CredentialWalk.NextExpiry(after.Credentials) is { } end)
        {
            // A minute late on purpose: the clock that wakes us need not be the one that we read.
            await this.RegisterOrUpdateReminder(OverlapReminder, end - time.GetUtcNow() + TimeSpan.FromMinutes(1), TimeSpan.FromHours(1));
        }

        LogActivated(log, Tenant, version);
        return after;
    }

    private Task<TenantState> WithdrawAsync(Credential credential, string note) => CommitAsync(state => state with
    {
        Credentials = CredentialWalk.Withdraw(state.Credentials, credential.Version, time.GetUtcNow(), note),
    });

    private void CheckCommand(NewCredential? credential)
    {
        var state = Registered();
        ThrowIfOffboarded();
        if (state.Lifecycle == Lifecycle.Suspended)
        {
            throw new ProblemException(
                ProblemKind.Conflict,
                "EHR-CRE-003",
                "lifecycle",
                "The tenant is suspended: nothing is sent to the hospital. Resume it first.");
        }

        if (credential is not null && CheckNew(credential, VendorProfiles.For(state.Spec!.Connection, state.ProbedProfile)) is { } problem)
        {
            throw new ProblemException(ProblemKind.Invalid, [problem]);
        }
    }

    private static Problem? CheckNew(NewCredential credential, VendorProfile? profile)
    {
        if (!Enum.IsDefined(credential.Method)
            || profile?.Auth.Methods.Contains(VendorRules.MethodName(credential.Method), StringComparer.Ordinal) != true)
        {
            return new("EHR-CRE-010", "method", $"The vendor profile takes {string.Join(", ", profile?.Auth.Methods ?? [])}.");
        }

        var usesSecret = credential.Method is ClientAuthMethod.ClientSecretBasic or ClientAuthMethod.ClientSecretPost;
        if (!usesSecret && credential.Secret is not null)
        {
            return new(
                "EHR-CRE-011",
                "secret",
                "For a private key no secret is given: the key pair is made here, and its private half never leaves.");
        }

        return usesSecret
            && (credential.Secret?.Reveal() is not { Length: >= 1 and <= SecretLengthMax } secret || secret.Any(char.IsControl))
            ? new("EHR-CRE-012", "secret", "Give the client secret that the hospital issued: 1 to 1,024 characters, no control characters.")
            : null;
    }

    private static SealedCredential Sealed(Credential credential) =>
        new(credential.Version, credential.Method, credential.State, credential.KeyId, credential.SealedSecret ?? []);

    [LoggerMessage(1010, LogLevel.Information, "Credential {Version} of tenant {Tenant} became the active one.")]
    private static partial void LogActivated(ILogger logger, TenantId tenant, int version);

    [LoggerMessage(1011, LogLevel.Warning, "Tenant {Tenant} did not take credential {Version} ({Code}); the previous one stays active.")]
    private static partial void LogRefused(ILogger logger, TenantId tenant, int version, string code);
}

using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains credential</c>: what we authenticate with at a hospital.</summary>
internal static class CredentialCommand
{
    private const int SecretBytesMax = 4_096;

    internal static Command Build() => new("credential", "What we authenticate with at a hospital: add, activate, rotate, list.")
    {
        Add(),
        Activate(),
        Rotate(),
        List(),
    };

    internal static IRenderable Show(CredentialSummary[] credentials) => Tables.Rows(
        credentials,
        ("version", c => c.Version), ("state", c => Words.Of(c.State)), ("method", c => Words.Of(c.Method)), ("key id", c => c.KeyId),
        ("created", c => c.CreatedAt), ("activated", c => c.ActivatedAt), ("retired", c => c.RetiredAt), ("note", c => c.Note));

    private static Verb Add()
    {
        var tenant = Parameters.Tenant();
        var (method, secretFile) = NewCredential();
        var activate = new Option<bool>("--activate") { Description = "Try it with a real token request, and use it if the hospital takes it." };
        return new Verb("add", "Adds a credential: makes a key pair, or takes the client secret that the hospital issued.")
        {
            tenant, method, secretFile, activate,
        }.Answers(
            async run =>
            {
                var grain = (await run.ConnectAsync()).Tenant(run.Get(tenant));
                var credential = await grain.AddCredentialAsync(await ReadAsync(run, grain, method, secretFile), run.Stopping);
                NoteKeySet(run, run.Get(tenant), credential);
                return run.Get(activate) ? await grain.ActivateCredentialAsync(credential.Version, run.Stopping) : credential;
            },
            credential => Show([credential]));
    }

    private static Verb Activate()
    {
        var tenant = Parameters.Tenant();
        var version = new Argument<int>("VERSION") { Description = "The credential's version." };
        return new Verb("activate", "Tries a staged credential with a real token request, and uses it if the hospital takes it.") { tenant, version }.Answers(
            async run => await (await run.ConnectAsync()).Tenant(run.Get(tenant)).ActivateCredentialAsync(run.Get(version), run.Stopping),
            credential => Show([credential]));
    }

    private static Verb Rotate()
    {
        var tenant = Parameters.Tenant();
        var (method, secretFile) = NewCredential();
        return new Verb("rotate", "Adds a credential, publishes it, tries it and uses it; the previous one stays as fall-back. Exit code 3: the previous one stays in use.")
        {
            tenant, method, secretFile,
        }.Answers(
            async run =>
            {
                var grain = (await run.ConnectAsync()).Tenant(run.Get(tenant));
                return await grain.RotateCredentialAsync(await ReadAsync(run, grain, method, secretFile), run.Stopping);
            },
            receipt => new Spectre.Console.Rows(
                Tables.Facts(("succeeded", receipt.Succeeded), ("active", receipt.Active), ("previous", receipt.Previous)),
                Tables.Rows(receipt.Steps, ("at", s => s.At), ("what", s => s.What))),
            receipt => receipt.Succeeded ? ExitCode.Ok : ExitCode.CheckFailed);
    }

    private static Verb List()
    {
        var tenant = Parameters.Tenant();
        return new Verb("list", "Lists the tenant's credentials, newest first.") { tenant }.Answers(
            async run => (await (await run.ConnectAsync()).Tenant(run.Get(tenant)).DescribeAsync(run.Stopping)).Credentials,
            Show);
    }

    private static (Option<ClientAuthMethod?> Method, Option<string?> SecretFile) NewCredential() => (
        Parameters.OptionalWord<ClientAuthMethod>("--method", "How it authenticates. Default: as the tenant's connection says."),
        new Option<string?>("--secret-file") { Description = "File with the client secret; - or nothing: standard input.", HelpName = "FILE" });

    private static async Task<NewCredential> ReadAsync(
        Invocation run, IHospitalTenantGrain grain, Option<ClientAuthMethod?> methodOption, Option<string?> secretFile)
    {
        var method = run.Get(methodOption) ?? (await grain.DescribeAsync(run.Stopping)).Spec.Connection.AuthMethod;
        var needsSecret = method is ClientAuthMethod.ClientSecretBasic or ClientAuthMethod.ClientSecretPost;
        if (!needsSecret && run.Get(secretFile) is not null)
        {
            throw new ProblemException(
                ProblemKind.Invalid, "EHR-CLI-070", "--secret-file", $"{Words.Of(method)} has no secret to give: the key pair is made in the silo and its private half never leaves.");
        }

        return new NewCredential { Method = method, Secret = needsSecret ? await ReadSecretAsync(run.Get(secretFile), run.Stopping) : null };
    }

    // Never from the command line: it is in the process list and in the shell's history.
    private static async Task<SecretText> ReadSecretAsync(string? file, CancellationToken cancellationToken)
    {
        if (file is null or "-" && !Console.IsInputRedirected)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-071", "--secret-file", "Name the file with the client secret, or pipe it in.");
        }

        using var reader = file is null or "-" ? Console.In : new StreamReader(file);
        var buffer = new char[SecretBytesMax + 1];
        var read = await reader.ReadBlockAsync(buffer, cancellationToken);
        var secret = new string(buffer, 0, read).TrimEnd('\r', '\n');
        Array.Clear(buffer);
        return read is > 0 and <= SecretBytesMax && secret.Length > 0
            ? new SecretText(secret)
            : throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-072", "--secret-file", $"Holds no secret, or more than {SecretBytesMax} characters.");
    }

    private static void NoteKeySet(Invocation run, TenantId tenant, CredentialSummary credential)
    {
        if (credential.KeyId is not null)
        {
            run.Output.Note($"The hospital finds our public keys at {new Uri(run.ReadContext().Url, $"/tenants/{tenant}/jwks.json")}");
        }
    }
}

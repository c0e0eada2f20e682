using System.Collections.Immutable;
using EhrGrains.Contracts.Credentials;

namespace EhrGrains.Grains.Credentials;

/// <summary>One credential version as the tenant's state holds it. Its secret is sealed; a retired one has none.</summary>
[GenerateSerializer, Immutable, Alias("ehr.state.Credential")]
internal sealed record Credential
{
    [Id(0)]
    public required int Version { get; init; }

    [Id(1)]
    public required ClientAuthMethod Method { get; init; }

    [Id(2)]
    public required CredentialState State { get; init; }

    [Id(3)]
    public string? KeyId { get; init; }

    [Id(4)]
    public string? PublicJwk { get; init; }

    [Id(5)]
    public byte[]? SealedSecret { get; init; }

    [Id(6)]
    public required DateTimeOffset CreatedAt { get; init; }

    [Id(7)]
    public DateTimeOffset? ActivatedAt { get; init; }

    [Id(8)]
    public DateTimeOffset? RetiredAt { get; init; }

    [Id(9)]
    public string? Note { get; init; }

    /// <summary>True while it is published (a key) and its secret kept.</summary>
    internal bool IsKept => State != CredentialState.Retired;

    internal CredentialSummary Summarize() => new()
    {
        Version = Version,
        Method = Method,
        State = State,
        KeyId = KeyId,
        CreatedAt = CreatedAt,
        ActivatedAt = ActivatedAt,
        RetiredAt = RetiredAt,
        Note = Note,
    };
}

/// <summary>
/// The steps that a tenant's credentials can take, as pure functions on the list, oldest first. What holds after every step: at
/// most one is staged or verified, at most one active, at most one retiring – so at most three are published – and what is
/// retired has no secret.
/// </summary>
internal static class CredentialWalk
{
    /// <summary>Retired credentials that are kept as a record.</summary>
    internal const int RecordsMax = 50;

    internal static int NextVersion(ImmutableArray<Credential> credentials) => credentials.IsEmpty ? 1 : credentials[^1].Version + 1;

    internal static Credential? Active(ImmutableArray<Credential> credentials) =>
        credentials.FirstOrDefault(credential => credential.State == CredentialState.Active);

    /// <summary>Adds a staged credential. One that was staged before and never became active makes room for it.</summary>
    internal static ImmutableArray<Credential> Stage(ImmutableArray<Credential> credentials, Credential added, DateTimeOffset now) => Trim(
    [
        .. credentials.Select(credential => credential.State is CredentialState.Staged or CredentialState.Verified
            ? Retire(credential, now, "Replaced by a later one before it was used.")
            : credential),
        added with { State = CredentialState.Staged },
    ]);

    /// <summary>The hospital took it.</summary>
    internal static ImmutableArray<Credential> Verify(ImmutableArray<Credential> credentials, int version) =>
        Change(
            credentials, version, CredentialState.Staged, credential => credential with { State = CredentialState.Verified, Note = null });

    /// <summary>The hospital refused it: it stays staged, and says why.</summary>
    internal static ImmutableArray<Credential> Refuse(ImmutableArray<Credential> credentials, int version, string note) =>
        Change(credentials, version, CredentialState.Staged, credential => credential with { Note = note });

    /// <summary>A rotation gives it up: its secret is destroyed.</summary>
    internal static ImmutableArray<Credential> Withdraw(
        ImmutableArray<Credential> credentials, int version, DateTimeOffset now, string note) =>
        Trim(Change(credentials, version, CredentialState.Staged, credential => Retire(credential, now, note)));

    /// <summary>
    /// Makes a verified credential the active one. The one before stays as fall-back for the overlap, and the one before that
    /// is retired now.
    /// </summary>
    internal static ImmutableArray<Credential> Activate(
        ImmutableArray<Credential> credentials, int version, DateTimeOffset now, TimeSpan overlap)
    {
        var replaced = credentials.Select(credential => credential.State switch
        {
            CredentialState.Retiring => Retire(credential, now, credential.Note),
            CredentialState.Active when credential.Version != version =>
                credential with { State = CredentialState.Retiring, RetiredAt = now + overlap },
            _ => credential,
        });
        var activated = Change(
            [.. replaced],
            version,
            CredentialState.Verified,
            credential => credential with { State = CredentialState.Active, ActivatedAt = now });
        return Trim(Expire(activated, now));
    }

    /// <summary>Retires what has been retiring for its whole overlap.</summary>
    internal static ImmutableArray<Credential> Expire(ImmutableArray<Credential> credentials, DateTimeOffset now) =>
        credentials.Any(credential => IsOver(credential, now))
            ? Trim([.. credentials.Select(credential => IsOver(credential, now) ? Retire(credential, now, credential.Note) : credential)])
            : credentials;

    /// <summary>Retires all: the tenant is offboarded.</summary>
    internal static ImmutableArray<Credential> RetireAll(ImmutableArray<Credential> credentials, DateTimeOffset now) =>
        Trim([.. credentials.Select(credential => credential.IsKept ? Retire(credential, now, "The tenant was offboarded.") : credential)]);

    /// <summary>The public keys to publish now: also those that wait for the hospital to fetch them.</summary>
    internal static IEnumerable<string> Published(ImmutableArray<Credential> credentials, DateTimeOffset now) =>
        credentials.Where(credential => credential.IsKept && !IsOver(credential, now)).Select(credential => credential.PublicJwk)
            .OfType<string>();

    /// <summary>Those that a token may be asked with, in order of use: the active one, then the fall-back.</summary>
    internal static IEnumerable<Credential> Usable(ImmutableArray<Credential> credentials, DateTimeOffset now) =>
        credentials
            .Where(credential => credential.State is CredentialState.Active or CredentialState.Retiring && !IsOver(credential, now))
            .OrderBy(credential => credential.State);

    /// <summary>When the next overlap is over; null when none runs.</summary>
    internal static DateTimeOffset? NextExpiry(ImmutableArray<Credential> credentials) =>
        credentials.Where(credential => credential.State == CredentialState.Retiring).Min(credential => credential.RetiredAt);

    private static bool IsOver(Credential credential, DateTimeOffset now) =>
        credential.State == CredentialState.Retiring && credential.RetiredAt <= now;

    private static Credential Retire(Credential credential, DateTimeOffset now, string? note) =>
        credential with { State = CredentialState.Retired, RetiredAt = now, SealedSecret = null, PublicJwk = null, Note = note };

    private static ImmutableArray<Credential> Change(
        ImmutableArray<Credential> credentials, int version, CredentialState from, Func<Credential, Credential> change) =>
        credentials.Any(credential => credential.Version == version && credential.State == from)
            ? [.. credentials.Select(credential => credential.Version == version ? change(credential) : credential)]
            : throw new InvalidOperationException($"Credential {version} is not {from}.");

    private static ImmutableArray<Credential> Trim(ImmutableArray<Credential> credentials)
    {
        var surplus = credentials.Count(credential => !credential.IsKept) - RecordsMax;
        return surplus <= 0
            ? credentials
            : [.. credentials.Where(credential => credential.IsKept || surplus-- <= 0)];
    }
}

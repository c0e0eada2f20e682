using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Writes;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Fhir.Writes;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Query;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.Audit;
using EhrGrains.Storage.Ids;
using EhrGrains.Storage.Writes;

namespace EhrGrains.Grains.Writes;

/// <summary>A write that may be accepted: checked, and as the EHR is to have it.</summary>
internal sealed record PreparedWrite(TenantSnapshot Snapshot, TenantRules Rules, WriteKey Key, WriteOrder Order, string? EhrPatient);

/// <summary>
/// Decides whether a write is accepted: scope, what the vendor takes, R4, references, the ledger, the bound, the audit trail; then it is
/// on disk. Thread-safe.
/// </summary>
internal sealed class WriteIntake(
    TenantSnapshots tenants, Normalizers normalizers, IdAliasTable aliases, WriteTable table, AuditLog trail, WriteForms forms, WriteOptions options,
    WriteMetrics metrics, TimeProvider time)
{
    private const int KeyLengthMax = 200;
    private const int WaitSecondsMax = 60;

    /// <summary>Puts a write on disk; or finds the one with its key.</summary>
    internal async Task<(StoredWrite Write, bool IsRepeat)> AcceptAsync(TenantId tenant, Caller caller, FhirWrite write, CancellationToken cancellationToken)
    {
        var prepared = await PrepareAsync(tenant, caller, write, cancellationToken);
        if (await FindAsync(tenant, prepared.Key, cancellationToken) is { } known)
        {
            return (known, true);
        }

        if (await table.CountOpenAsync(tenant, cancellationToken) >= options.OpenMax)
        {
            metrics.Full();
            throw new ProblemException(
                ProblemKind.Unavailable, "EHR-WRT-024", "", $"{options.OpenMax} writes of this tenant wait already. Ask its operator, who sees why with «ehrgrains write list».");
        }

        // I5: that it is wanted is on the trail before it is anywhere else.
        var intent = await AuditAsync(tenant, caller, write.Id is null ? "create" : "update", prepared, cancellationToken);
        var at = time.GetUtcNow();
        var number = await table.AddAsync(
            tenant,
            new NewWrite
            {
                Key = prepared.Key,
                App = caller.App,
                IsUpdate = write.Id is not null,
                Type = write.Type,
                At = at,
                Intent = intent,
                Request = forms.Write(prepared.Order),
            },
            cancellationToken);
        metrics.Accepted(write.Type);
        var stored = await FindAsync(tenant, prepared.Key, cancellationToken)
            ?? throw new ProblemException(ProblemKind.Unavailable, "EHR-WRT-025", "", "The write could not be found again. Give it once more, with the same key.");
        return (stored, number is null);
    }

    /// <summary>Everything up to the point where something would be stored.</summary>
    /// <exception cref="ProblemException">It cannot be accepted: all that is wrong with it.</exception>
    internal async Task<PreparedWrite> PrepareAsync(TenantId tenant, Caller caller, FhirWrite write, CancellationToken cancellationToken)
    {
        var snapshot = await AdmitAsync(tenant, caller, write, cancellationToken);
        var rules = normalizers.For(tenant, snapshot);
        var problems = new List<Problem>(Demand(write, rules.Profile.Writes));
        var (draft, wrong) = problems.Count == 0 ? WriteDraft.Read(write.Resource, write.Type, write.Id, write.GatewayBase) : (null, []);
        problems.AddRange(wrong);
        if (draft is null)
        {
            throw new ProblemException(ProblemKind.Invalid, problems);
        }

        problems.AddRange(WriteChecks.Check(write.Resource, write.Type, rules.Profile.Writes));
        var originals = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var alias in draft.Aliases.Append(write.Id).OfType<string>().Where(ResourceIds.IsAlias).Distinct(StringComparer.Ordinal))
        {
            originals[alias] = await aliases.FindAsync(tenant, alias, cancellationToken);
        }

        var ehrId = write.Id is null ? null : Original(write.Id);
        if (write.Id is not null && ehrId is null)
        {
            problems.Add(new("EHR-WRT-008", "id", "The gateway never gave this id: read the resource first."));
        }

        var content = Convert.ToHexStringLower(SHA256.HashData([.. Encoding.UTF8.GetBytes($"{write.Type}\0{write.Id}\0{write.IfMatch}\0"), .. write.Resource]));
        var key = await table.KeyOfAsync(
            tenant,
            caller.App,
            write.IdempotencyKey is { } own ? $"key\0{own}" : $"content\0{content}",
            content,
            draft.Patient ?? $"{write.Type}/{write.Id}",
            cancellationToken);
        var foundBy = draft.SearchedBy(rules.Profile.Writes.FoundBy.GetValueOrDefault(write.Type, []));
        var order = new WriteOrder
        {
            Type = write.Type,
            Patient = draft.Patient,
            EhrId = ehrId,
            IfMatch = write.IfMatch,
            FoundBy = [.. foundBy.Select(pair => new SearchParameter(pair.Key, pair.Value))],
            Body = draft.Write(ehrId, Original, write.Id is null ? key.Stamp : null, problems),
        };
        return problems.Count == 0
            ? new PreparedWrite(snapshot, rules, key, order, draft.Patient is { } patient ? Original(patient) : null)
            : throw new ProblemException(ProblemKind.Invalid, problems);

        string? Original(string id) => ResourceIds.TryToOriginal(id, out var original) ? original : originals.GetValueOrDefault(id);
    }

    /// <summary>Puts on the trail what an app wants, or what is read for it.</summary>
    internal async Task<long> AuditAsync(TenantId tenant, Caller caller, string action, PreparedWrite write, CancellationToken cancellationToken)
    {
        try
        {
            return await trail.AppendAsync(
                new AuditRecord
                {
                    Tenant = tenant,
                    App = caller.App.Value,
                    Action = action,
                    ResourceType = write.Order.Type,
                    Patients = write.Order.Patient is { } patient ? [patient] : [],
                    Outcome = AuditRecord.IntentOutcome,
                    TraceId = Activity.Current?.TraceId.ToString(),
                },
                cancellationToken);
        }
        catch (AuditUnavailableException e)
        {
            throw new ProblemException(ProblemKind.Unavailable, "EHR-AUD-001", "", e.Message);
        }
    }

    private async Task<StoredWrite?> FindAsync(TenantId tenant, WriteKey key, CancellationToken cancellationToken)
    {
        var known = await table.FindAsync(tenant, key, cancellationToken);
        return known is null || known.Key.Digest.AsSpan().SequenceEqual(key.Digest)
            ? known
            : throw new ProblemException(
                ProblemKind.CheckFailed, "EHR-WRT-023", "Idempotency-Key", "This key was given before with another write: give each write a key of its own.");
    }

    // Nobody is refused from memory: a grant that was given a moment ago holds.
    private async Task<TenantSnapshot> AdmitAsync(TenantId tenant, Caller caller, FhirWrite write, CancellationToken cancellationToken)
    {
        var interaction = write.Id is null ? Interactions.Create : Interactions.Update;
        var known = await tenants.GetAsync(tenant, cancellationToken);
        if (Admission.Refuse(caller, known, write.Type, interaction) is not null)
        {
            known = await tenants.GetNowAsync(tenant, cancellationToken);
            if (Admission.Refuse(caller, known, write.Type, interaction) is { } refusal)
            {
                throw new ProblemException(
                    refusal.Status switch
                    {
                        403 => ProblemKind.Forbidden,
                        503 => ProblemKind.Unavailable,
                        _ => ProblemKind.NotFound,
                    },
                    refusal.Issues[0].DetailCode!,
                    "",
                    refusal.Issues[0].Diagnostics);
            }
        }

        return known!;
    }

    // What the request itself has to have. What the vendor does not take is refused as what is not there (R4 http.html#create).
    private static IEnumerable<Problem> Demand(FhirWrite write, WriteRules rules)
    {
        var taken = write.Id is null ? rules.Create : rules.Update;
        if (!taken.Contains(write.Type))
        {
            throw new ProblemException(
                ProblemKind.NotFound, "EHR-WRT-020", "", $"This hospital's EHR does not take this {(write.Id is null ? "create" : "update")}. It takes: {Words(taken)}.");
        }

        if (write.Resource.Length is 0 or > FhirWrite.BytesMax)
        {
            yield return new("EHR-WRT-021", "", $"A resource has 1 to {FhirWrite.BytesMax} bytes.");
        }

        if (write.IdempotencyKey is { } key && (key.Length is 0 or > KeyLengthMax || !key.All(c => c is >= ' ' and <= '~')))
        {
            yield return new("EHR-WRT-022", "Idempotency-Key", "A key has 1 to 200 printable ASCII characters.");
        }

        if (write.WaitSeconds is < 0 or > WaitSecondsMax)
        {
            yield return new("EHR-WRT-026", "waitSeconds", "Wait for 0 to 60 seconds.");
        }

        if (write.Id is not null && !IsVersion(write.IfMatch, rules.IfMatch))
        {
            yield return new(
                "EHR-WRT-027", "If-Match",
                rules.IfMatch
                    ? "An update replaces the whole resource: name the version that it changes, If-Match: W/\"…\", from the ETag of a read."
                    : "An update replaces the whole resource: name the version that it changes, If-Match: W/\"…\", from the ETag of a read; or * where the EHR tells none.");
        }
    }

    private static bool IsVersion(string? text, bool isOneNeeded) =>
        text is "*" ? !isOneNeeded : text is { Length: <= 100 } && text.All(c => c is > ' ' and <= '~')
            && (text.StartsWith('"') || text.StartsWith("W/\"", StringComparison.Ordinal)) && text.EndsWith('"') && text.Count(c => c == '"') == 2;

    private static string Words(IReadOnlyList<string> types) => types.Count == 0 ? "nothing" : string.Join(", ", types);
}

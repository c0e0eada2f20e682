using System.Text.Json;
using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Searching;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Writes;
using EhrGrains.Grains.Budgets;
using EhrGrains.Grains.Query;
using EhrGrains.Storage.Ids;

namespace EhrGrains.Grains.Writes;

/// <summary>What looking for a write has come to.</summary>
internal enum LookOutcome
{
    /// <summary>It is there.</summary>
    Found,

    /// <summary>It was not shown, though all was read.</summary>
    Absent,

    /// <summary>There is no search for it.</summary>
    NoWay,

    /// <summary>The EHR did not answer; it may another time.</summary>
    Later,
}

/// <summary>What was found of a write.</summary>
internal readonly record struct LookResult(LookOutcome Outcome, string? EhrId = null);

/// <summary>What a resource is like at the EHR now.</summary>
internal readonly record struct CurrentResource(EhrFailure Failure, int Status, string? Id, string? ETag, IReadOnlyList<string> Differences, Problem[] Problems)
{
    internal bool IsThere => Failure == EhrFailure.None;

    internal bool IsGone => Failure == EhrFailure.NotFound;
}

/// <summary>Writes, and looks for what was written, at one tenant's EHR.</summary>
internal sealed class WriteWire(EhrLine line, IdAliasTable aliases, TenantId tenant, TenantSpec spec, TenantRules rules, TimeProvider time, WriteOptions options)
{
    private const string NoGateway = "https://gateway.invalid/fhir";
    private const int PagesMax = 5;

    /// <summary>
    /// Sends an order once. <paramref name="note"/> is called when there is a permit: what it notes is on disk before the first byte leaves,
    /// and no byte leaves when that was too long ago.
    /// </summary>
    internal async Task<SendResult> SendAsync(WriteOrder order, string stamp, Lane lane, Func<CancellationToken, Task> note, CancellationToken cancellationToken)
    {
        var access = line.Access(tenant, lane);
        var isWritten = false;
        async ValueTask<BudgetPermit> PermitAsync(CancellationToken ct)
        {
            var permit = await access.Permit(ct);
            try
            {
                var noted = time.GetTimestamp();
                await note(ct);
                isWritten = false;

                // Once: a request that the pool would write again on another connection may have arrived by the first.
                return permit.If(() => !isWritten && time.GetElapsedTime(noted) <= options.SendWindow && (isWritten = true));
            }
            catch
            {
                permit.Dispose();
                throw;
            }
        }

        try
        {
            using var answer = await line.SendAsync(tenant, spec.Connection, RequestOf(order, stamp), access with { Permit = PermitAsync }, cancellationToken);
            var outcome = WriteVerdicts.Judge(answer.Failure, answer.Status, isWritten);
            var result = outcome == SendOutcome.Taken
                ? new WriteResult { EhrId = order.EhrId ?? IdIn(answer, order.Type) }
                : new WriteResult { Status = answer.Status == 0 ? null : answer.Status, Problems = WriteVerdicts.Explain(answer, rules.Profile) };
            return new SendResult(outcome, result, answer.RetryAfter);
        }
        catch (BudgetRefusedException e)
        {
            return new SendResult(SendOutcome.NotSent, new WriteResult { Problems = [new("EHR-QRY-005", "", e.Message)] }, e.RetryAfter);
        }
    }

    /// <summary>Looks for what was created, by our mark.</summary>
    internal async Task<LookResult> LookAsync(WriteOrder order, string stamp, Lane lane, CancellationToken cancellationToken)
    {
        var parameters = order.FoundBy.ToList();
        if (order.Patient is { } patient && order.Type != "Patient")
        {
            parameters.Insert(0, new SearchParameter("patient", patient));
        }

        if (rules.Profile.Writes.FoundBy.GetValueOrDefault(order.Type, []).Contains("identifier"))
        {
            parameters.Add(new SearchParameter("identifier", $"{WriteDraft.StampSystem}|{stamp}"));
        }

        if (parameters.Count == 0)
        {
            return new LookResult(LookOutcome.NoWay);
        }

        var original = order.Patient is { } id && ResourceIds.IsAlias(id) ? await aliases.FindAsync(tenant, id, cancellationToken) : null;
        var plan = SearchPlanner.Plan(
            new FhirSearch { Type = order.Type, Parameters = [.. parameters], GatewayBase = NoGateway }, spec, rules.Profile, _ => original);
        for (var page = 0; page < PagesMax; page++)
        {
            if (plan.Request is not { } request)
            {
                return new LookResult(LookOutcome.NoWay);
            }

            var (found, next) = await LookAtAsync(request, order.Type, stamp, lane, cancellationToken);
            if (found.Outcome != LookOutcome.Absent || next is null)
            {
                return found;
            }

            plan = SearchPlanner.PlanNext(next, spec, rules.Profile);
        }

        return new LookResult(LookOutcome.NoWay);
    }

    /// <summary>Reads what is there and holds it against what was, or is to be, sent.</summary>
    internal async Task<CurrentResource> ReadAsync(string type, string ehrId, ReadOnlyMemory<byte> sent, Lane lane, CancellationToken cancellationToken)
    {
        var request = new EhrRequest { Method = HttpMethod.Get, Url = $"{Base}/{type}/{Uri.EscapeDataString(ehrId)}", Op = "read", ResourceType = type };
        try
        {
            using var answer = await line.SendAsync(tenant, spec.Connection, request, lane, cancellationToken);
            if (answer.Failure != EhrFailure.None)
            {
                return new CurrentResource(answer.Failure, answer.Status, null, null, [], WriteVerdicts.Explain(answer, rules.Profile));
            }

            using var content = new PooledBuffer(answer.Body.Length + 1024);
            var found = rules.Normalizer.NormalizeResource(answer.Body.Span, content);
            if (found.Type != type)
            {
                return Unreadable(type);
            }

            if (found.Aliases.Count > 0)
            {
                await aliases.SaveAsync(tenant, [.. found.Aliases.Select(alias => (alias.Alias, alias.Original))], cancellationToken);
            }

            var differences = sent.IsEmpty ? [] : WriteComparison.Differences(sent.Span, answer.Body.Span);
            var tag = answer.ETag ?? (found.VersionId is { } version ? $"W/\"{version}\"" : null);
            return new CurrentResource(EhrFailure.None, 200, found.Id, tag, differences, []);
        }
        catch (BudgetRefusedException e)
        {
            return new CurrentResource(EhrFailure.Throttled, 0, null, null, [], [new("EHR-QRY-005", "", e.Message)]);
        }
        catch (Exception e) when (e is FhirFormatException or AnswerTooLargeException)
        {
            return Unreadable(type);
        }
    }

    private string Base => spec.Connection.BaseUrl.TrimEnd('/');

    private async Task<(LookResult Found, string? Next)> LookAtAsync(
        EhrRequest request, string type, string stamp, Lane lane, CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await line.SendAsync(tenant, spec.Connection, request, lane, cancellationToken);
            if (answer.Failure != EhrFailure.None)
            {
                return (new LookResult(answer.Failure is EhrFailure.Rejected or EhrFailure.Forbidden ? LookOutcome.NoWay : LookOutcome.Later), null);
            }

            if (MarkedIn(answer.Body, type, stamp) is { } id)
            {
                return (new LookResult(LookOutcome.Found, id), null);
            }

            using var content = new PooledBuffer(answer.Body.Length + (answer.Body.Length / 4) + 256);
            var page = rules.Normalizer.NormalizePage(answer.Body.Span, new PageRequest(type, NoGateway), content);
            return page.SessionExpired ? (new LookResult(LookOutcome.Later), null)
                : page.Incomplete ? (new LookResult(LookOutcome.NoWay), null)
                : (new LookResult(LookOutcome.Absent), page.Next == request.Url ? null : page.Next);
        }
        catch (BudgetRefusedException)
        {
            return (new LookResult(LookOutcome.Later), null);
        }
        catch (Exception e) when (e is FhirFormatException or AnswerTooLargeException or JsonException)
        {
            return (new LookResult(LookOutcome.NoWay), null);
        }
    }

    private static CurrentResource Unreadable(string type) => new(
        EhrFailure.NotFhir, 200, null, null, [], [new("EHR-WRT-047", "", $"What the hospital answered for the {type} cannot be read.")]);

    private EhrRequest RequestOf(WriteOrder order, string stamp)
    {
        var headers = new Dictionary<string, string> { ["Prefer"] = "return=minimal" };
        if (order.IfMatch is { } version && (version != "*" || rules.Profile.Writes.IfMatch))
        {
            headers["If-Match"] = version;
        }

        if (order.EhrId is null && rules.Profile.Writes.ConditionalCreate)
        {
            headers["If-None-Exist"] = $"identifier={Uri.EscapeDataString($"{WriteDraft.StampSystem}|{stamp}")}";
        }

        return new EhrRequest
        {
            Method = order.EhrId is null ? HttpMethod.Post : HttpMethod.Put,
            Url = order.EhrId is { } id ? $"{Base}/{order.Type}/{Uri.EscapeDataString(id)}" : $"{Base}/{order.Type}",
            Body = order.Body,
            Headers = headers,
            IsSafe = false,
            IsWrite = true,
            Op = order.EhrId is null ? "create" : "update",
            ResourceType = order.Type,
        };
    }

    // R4 http.html#create: Location is [base]/[type]/[id]/_history/[vid], of which some leave the end away.
    private static string? IdIn(EhrAnswer answer, string type)
    {
        if (answer.Location is { } location)
        {
            var parts = location.Split('?')[0].Split('/');
            var at = Array.LastIndexOf(parts, type);
            return at >= 0 && at + 1 < parts.Length && parts[at + 1].Length > 0 ? Uri.UnescapeDataString(parts[at + 1]) : null;
        }

        if (answer.Body.IsEmpty)
        {
            return null;
        }

        try
        {
            using var document = JsonDocument.Parse(answer.Body);
            var root = document.RootElement;
            return root.TryGetProperty("resourceType"u8, out var name) && name.ValueEquals(type) && root.TryGetProperty("id"u8, out var id) ? id.GetString() : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    // In the EHR's own words: normalization may change identifiers.
    private static string? MarkedIn(ReadOnlyMemory<byte> bundle, string type, string stamp)
    {
        using var document = JsonDocument.Parse(bundle);
        if (!document.RootElement.TryGetProperty("entry"u8, out var entries) || entries.ValueKind != JsonValueKind.Array)
        {
            return null;
        }

        foreach (var entry in entries.EnumerateArray())
        {
            if (entry.TryGetProperty("resource"u8, out var resource) && resource.TryGetProperty("resourceType"u8, out var name) && name.ValueEquals(type)
                && resource.TryGetProperty("identifier"u8, out var identifiers) && IsMarked(identifiers, stamp) && resource.TryGetProperty("id"u8, out var id))
            {
                return id.GetString();
            }
        }

        return null;
    }

    private static bool IsMarked(JsonElement identifiers, string stamp) => identifiers.ValueKind switch
    {
        JsonValueKind.Array => identifiers.EnumerateArray().Any(identifier => IsMarked(identifier, stamp)),
        JsonValueKind.Object => identifiers.TryGetProperty("system"u8, out var system) && system.ValueEquals(WriteDraft.StampSystem)
            && identifiers.TryGetProperty("value"u8, out var value) && value.ValueEquals(stamp),
        _ => false,
    };
}

using System.Text.Json;
using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Searching;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Grains.Query;
using EhrGrains.Storage.Ids;

namespace EhrGrains.Grains.Populations;

/// <summary>Who was found.</summary>
/// <param name="State">How the member stands now.</param>
/// <param name="Patient">The EHR's Patient, as the gateway names it.</param>
/// <param name="Problem">What went wrong.</param>
/// <param name="RetryAfter">When it is worth asking again, where that is known.</param>
internal sealed record FoundPatient(MemberState State, PatientId? Patient, Problem? Problem, TimeSpan? RetryAfter = null);

/// <summary>Who is in a Group.</summary>
/// <param name="Patients">Its patients; null: they cannot be read.</param>
/// <param name="Problem">Why not; null beside no patients: the EHR does not tell who is in it before it exports.</param>
internal sealed record FoundGroup(IReadOnlyList<string>? Patients, Problem? Problem);

/// <summary>Finds patients at a tenant's EHR, in the lane of backfill. Thread-safe.</summary>
internal sealed class PatientFinder(EhrLine line, Normalizers normalizers, IdAliasTable aliases, EhrPatientLinks links)
{
    // Nothing of the answer is kept: its URLs do not matter.
    private const string NoGateway = "https://gateway.invalid/fhir";

    /// <summary>The EHR's Patient with an identifier.</summary>
    /// <exception cref="Budgets.BudgetRefusedException">The wait for a permit is too long.</exception>
    internal async Task<FoundPatient> FindAsync(TenantId tenant, TenantSnapshot snapshot, string? system, string value, CancellationToken cancellationToken)
    {
        var rules = normalizers.For(tenant, snapshot);
        var search = new FhirSearch
        {
            Type = "Patient",
            Parameters = [new SearchParameter("identifier", Escape(system is null ? value : $"{system}|{value}"))],
            GatewayBase = NoGateway,
        };
        var plan = SearchPlanner.Plan(search, snapshot.Spec, rules.Profile);
        if (plan.Request is not { } request)
        {
            var issue = plan.Problems[0];
            return new FoundPatient(MemberState.Waiting, null, new Problem(issue.DetailCode ?? "EHR-POP-030", "", issue.Diagnostics));
        }

        using var answer = await line.SendAsync(tenant, snapshot.Spec.Connection, request, Lane.Backfill, cancellationToken);
        if (answer.Failure != EhrFailure.None)
        {
            return new FoundPatient(MemberState.Waiting, null, answer.Problem, answer.RetryAfter);
        }

        try
        {
            using var content = new PooledBuffer(answer.Body.Length + 1024);
            var page = rules.Normalizer.NormalizePage(answer.Body.Span, new PageRequest("Patient", NoGateway), content);
            await SaveAliasesAsync(tenant, page.Aliases, cancellationToken);
            await links.LinkAsync(tenant, content.WrittenMemory, cancellationToken);
            return Judge(Read(content.WrittenMemory, value), isCut: page.Next is not null);
        }
        catch (FhirFormatException e)
        {
            return new FoundPatient(MemberState.Waiting, null, new Problem("EHR-POP-031", "", $"The hospital's answer cannot be read. {e.Message}"));
        }
    }

    /// <summary>The patients of a Group, as the gateway names them.</summary>
    /// <exception cref="Budgets.BudgetRefusedException">The wait for a permit is too long.</exception>
    internal async Task<FoundGroup> GroupAsync(TenantId tenant, TenantSnapshot snapshot, string group, CancellationToken cancellationToken)
    {
        var rules = normalizers.For(tenant, snapshot);
        var legal = ResourceIds.ToLegal(group, out _);
        var plan = SearchPlanner.PlanRead(
            new FhirRead { Type = "Group", Id = legal, GatewayBase = NoGateway }, snapshot.Spec, rules.Profile, _ => group);
        if (plan.Request is not { } request)
        {
            // Not readable here: who is in it is known when it is exported.
            return new FoundGroup(null, null);
        }

        using var answer = await line.SendAsync(tenant, snapshot.Spec.Connection, request, Lane.Backfill, cancellationToken);
        if (answer.Failure != EhrFailure.None)
        {
            return new FoundGroup(null, answer.Problem);
        }

        try
        {
            using var content = new PooledBuffer(answer.Body.Length + 1024);
            var found = rules.Normalizer.NormalizeResource(answer.Body.Span, content);
            await SaveAliasesAsync(tenant, found.Aliases, cancellationToken);
            var patients = Members(content.WrittenMemory);

            // Many a server shows a Group without its members, and knows them all the same when it exports.
            return new FoundGroup(patients.Count > 0 ? patients : null, null);
        }
        catch (FhirFormatException e)
        {
            return new FoundGroup(null, new Problem("EHR-POP-032", "", $"The hospital's Group cannot be read. {e.Message}"));
        }
    }

    // An EHR that matches loosely answers with others as well: only who has the identifier is who was meant.
    private static FoundPatient Judge(List<string> found, bool isCut) => found switch
    {
        [var id] when !isCut && PatientId.TryParse(id, out var patient) => new FoundPatient(MemberState.Enrolled, patient, null),
        [] when !isCut => new FoundPatient(MemberState.NotFound, null, new Problem("EHR-POP-033", "", "The hospital knows nobody by this identifier.")),
        _ => new FoundPatient(MemberState.Ambiguous, null, new Problem("EHR-POP-034", "", "The hospital knows several patients by this identifier.")),
    };

    private static List<string> Read(ReadOnlyMemory<byte> entries, string value)
    {
        byte[] array = [(byte)'[', .. entries.Span, (byte)']'];
        using var document = JsonDocument.Parse(array);
        return
        [
            .. document.RootElement.EnumerateArray()
                .Select(static entry => entry.TryGetProperty("resource"u8, out var resource) ? resource : default)
                .Where(resource => resource.ValueKind == JsonValueKind.Object && resource.GetProperty("resourceType"u8).ValueEquals("Patient"u8)
                    && resource.TryGetProperty("identifier"u8, out var identifiers) && identifiers.EnumerateArray().Any(one => Has(one, value)))
                .Select(static resource => resource.GetProperty("id"u8).GetString()!)
                .Distinct(StringComparer.Ordinal),
        ];
    }

    private static bool Has(JsonElement identifier, string value) =>
        identifier.TryGetProperty("value"u8, out var said) && said.ValueKind == JsonValueKind.String
            && string.Equals(said.GetString()!.Trim(), value, StringComparison.OrdinalIgnoreCase);

    private static List<string> Members(ReadOnlyMemory<byte> group)
    {
        using var document = JsonDocument.Parse(group);
        const string Prefix = "Patient/";
        return !document.RootElement.TryGetProperty("member"u8, out var members) || members.ValueKind != JsonValueKind.Array
            ? []
            :
            [
                .. members.EnumerateArray()
                    .Where(static member => !(member.TryGetProperty("inactive"u8, out var inactive) && inactive.ValueKind == JsonValueKind.True))
                    .Select(static member => member.TryGetProperty("entity"u8, out var entity) && entity.TryGetProperty("reference"u8, out var reference)
                        ? reference.GetString() : null)
                    .Where(static reference => reference is not null && reference.StartsWith(Prefix, StringComparison.Ordinal))
                    .Select(static reference => reference![Prefix.Length..])
                    .Where(static id => ResourceIds.IsLegal(id)),
            ];
    }

    // R4 search.html#escaping: what separates values is part of this one.
    private static string Escape(string token) => token.Replace(@"\", @"\\", StringComparison.Ordinal)
        .Replace(",", @"\,", StringComparison.Ordinal).Replace("$", @"\$", StringComparison.Ordinal);

    private async ValueTask SaveAliasesAsync(TenantId tenant, IReadOnlyList<IdAlias> given, CancellationToken cancellationToken)
    {
        if (given.Count > 0)
        {
            await aliases.SaveAsync(tenant, [.. given.Select(alias => (alias.Alias, alias.Original))], cancellationToken);
        }
    }
}

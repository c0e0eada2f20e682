using System.Diagnostics;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.Audit;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Grains.Query;

/// <summary>Puts queries on the audit trail: the intent before the EHR is asked (I5), the outcome after.</summary>
internal sealed partial class QueryAudit(AuditLog trail, QueryMetrics metrics, ILogger<QueryAudit> log)
{
    // More would be an audit row as long as a page; the outcome names every patient that was really found.
    private const int PatientsNamedMax = 20;

    /// <summary>Commits the intent and gives its sequence number.</summary>
    /// <exception cref="AuditUnavailableException">It could not be committed: the query must not run.</exception>
    internal async Task<AuditedQuery> BeginAsync(
        TenantId tenant, Caller caller, string action, string type, IEnumerable<string> patients, CancellationToken cancellationToken)
    {
        var record = new AuditRecord
        {
            Tenant = tenant,
            App = caller.App.Value,
            Action = action,
            ResourceType = type,
            Patients = [.. patients.Distinct(StringComparer.Ordinal).Take(PatientsNamedMax)],
            Outcome = AuditRecord.IntentOutcome,
            TraceId = Activity.Current?.TraceId.ToString(),
        };
        return new AuditedQuery(record, await trail.AppendAsync(record, cancellationToken));
    }

    /// <summary>
    /// Queues the outcome. The answer does not wait for it: that the query was run is on the trail already. An outcome that cannot
    /// be written is counted and logged, by the number of its intent.
    /// </summary>
    internal void End(AuditedQuery query, QueryAnswer answer) => _ = AppendAsync(query.Intent with
    {
        Outcome = answer.Status.ToString(System.Globalization.CultureInfo.InvariantCulture),
        Intent = query.Sequence,
        Patients = answer.Succeeded ? answer.Patients : query.Intent.Patients,
        Entries = answer.Entries,
    });

    /// <summary>The patients that a search names by itself.</summary>
    internal static IEnumerable<string> PatientsIn(FhirSearch search)
    {
        foreach (var (name, value) in search.Parameters)
        {
            var parameter = name.Split(':')[0];
            if (parameter == "patient" || (parameter == "_id" && search.Type == "Patient")
                || (parameter == "subject" && value.Contains("Patient/", StringComparison.Ordinal)))
            {
                foreach (var reference in value.Split(','))
                {
                    yield return reference[(reference.LastIndexOf('/') + 1)..];
                }
            }
        }
    }

    /// <summary>The patients that all matches have to be of; null: of any, or the search does not say so in ids.</summary>
    internal static HashSet<string>? OnlyPatientsOf(FhirSearch search) =>
        search.Parameters.Any(parameter => parameter.Name is "patient" or "subject") && PatientsIn(search).ToHashSet(StringComparer.Ordinal) is { Count: > 0 } named
            ? named
            : null;

    private async Task AppendAsync(AuditRecord outcome)
    {
        try
        {
            await trail.AppendAsync(outcome, CancellationToken.None);
        }
        catch (AuditUnavailableException e)
        {
            metrics.AuditOutcomeLost();
            LogOutcomeLost(log, e, outcome.Tenant, outcome.Intent!.Value);
        }
    }

    [LoggerMessage(6100, LogLevel.Error, "The outcome of a query at tenant {Tenant} could not be put on the audit trail; its intent is row {Intent}.")]
    private static partial void LogOutcomeLost(ILogger logger, Exception e, TenantId tenant, long intent);
}

/// <summary>A query whose intent is on the trail.</summary>
internal readonly record struct AuditedQuery(AuditRecord Intent, long Sequence);

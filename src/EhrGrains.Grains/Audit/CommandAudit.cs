using System.Diagnostics;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.Audit;

namespace EhrGrains.Grains.Audit;

/// <summary>
/// Puts admin commands on the audit trail: the intent before anything is changed, the outcome before the caller has its answer.
/// When the trail cannot be written the command is not run.
/// </summary>
internal sealed class CommandAudit(AuditLog log)
{
    /// <param name="chain">Whose data it is about.</param>
    /// <param name="action">What is done.</param>
    /// <param name="command">It.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <param name="patients">The patients whose data it is about, where it is about some.</param>
    internal async Task<T> RunAsync<T>(
        TenantId chain, string action, Func<Task<T>> command, CancellationToken cancellationToken, params string[] patients)
    {
        var record = new AuditRecord
        {
            Tenant = chain,
            App = Caller.Current is { IsSystem: false } caller ? caller.App.Value : "~system",
            Action = action,
            Patients = patients,
            Outcome = AuditRecord.IntentOutcome,
            TraceId = Activity.Current?.TraceId.ToString(),
        };
        var intent = await AppendAsync(record, cancellationToken);
        var outcome = "failed";
        try
        {
            var result = await command();
            outcome = "done";
            return result;
        }
        catch (ProblemException e)
        {
            outcome = e.Kind.ToString().ToLowerInvariant();
            throw;
        }
        finally
        {
            // The command has been run: whether the caller still waits does not matter.
            await AppendAsync(record with { Outcome = outcome, Intent = intent }, CancellationToken.None);
        }
    }

    internal Task RunAsync(
        TenantId chain, string action, Func<Task> command, CancellationToken cancellationToken, params string[] patients) =>
        RunAsync(
            chain,
            action,
            async () =>
            {
                await command();
                return true;
            },
            cancellationToken,
            patients);

    private async Task<long> AppendAsync(AuditRecord record, CancellationToken cancellationToken)
    {
        try
        {
            return await log.AppendAsync(record, cancellationToken);
        }
        catch (AuditUnavailableException e)
        {
            throw new ProblemException(ProblemKind.Unavailable, "EHR-AUD-001", "", e.Message);
        }
    }
}

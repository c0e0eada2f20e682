using System.Diagnostics;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Audit;

namespace EhrGrains.Grains.Audit;

/// <summary>
/// Puts what is about to be told to an app on the audit trail. Where it is known beforehand whom it is about, one row says all: it is
/// committed before a byte leaves (I5).
/// </summary>
internal sealed class DisclosureAudit(AuditLog trail)
{
    /// <exception cref="ProblemException">Unavailable: the row could not be committed, and nothing may be told.</exception>
    internal async Task RecordAsync(
        TenantId tenant, AppId app, string action, IEnumerable<PatientId> patients, int entries, CancellationToken cancellationToken)
    {
        try
        {
            await trail.AppendAsync(
                new AuditRecord
                {
                    Tenant = tenant,
                    App = app.Value,
                    Action = action,
                    Patients = [.. patients.Distinct().Select(patient => patient.Value)],
                    Outcome = "200",
                    Entries = entries,
                    TraceId = Activity.Current?.TraceId.ToString(),
                },
                cancellationToken);
        }
        catch (AuditUnavailableException e)
        {
            throw new ProblemException(ProblemKind.Unavailable, "EHR-AUD-001", "", e.Message);
        }
    }
}

using EhrGrains.Contracts.Changes;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;

namespace EhrGrains.Grains.Webhooks;

/// <summary>
/// A stretch of changes that is delivered at once: those of one patient by one commit, at most 100. What is not for the webhook is left
/// out; where nothing is left there is nothing to deliver.
/// </summary>
/// <param name="First">The first change of the stretch.</param>
/// <param name="Last">The last.</param>
/// <param name="Patient">Whose.</param>
/// <param name="Changes">Those to deliver.</param>
internal sealed record WebhookEvent(long First, long Last, PatientId Patient, IReadOnlyList<ChangeRecord> Changes)
{
    internal const int ChangesMax = 100;

    /// <summary>
    /// The <c>webhook-id</c>. The same changes are always cut into the same stretches, so the receiver knows by it what it has already.
    /// An underscore is in no label, and a full stop would be taken for a separator of what is signed.
    /// </summary>
    internal string IdAt(TenantId tenant, WebhookId webhook) => $"{tenant}_{webhook}_{First}";

    /// <summary>
    /// Cuts changes into stretches, in order. <paramref name="isCut"/>: there are more, and the last stretch may go on; it is then left
    /// for the next time, unless it is as long as one can be.
    /// </summary>
    internal static List<WebhookEvent> Of(IReadOnlyList<ChangeRecord> changes, bool isCut, Func<ChangeRecord, bool> isWanted)
    {
        var events = new List<WebhookEvent>();
        for (var i = 0; i < changes.Count;)
        {
            var first = changes[i];
            var next = i + 1;
            while (next < changes.Count && next - i < ChangesMax && IsOneCommit(first, changes[next]))
            {
                next++;
            }

            if (next == changes.Count && isCut && events.Count > 0 && next - i < ChangesMax)
            {
                break;
            }

            events.Add(new WebhookEvent(first.Seq, changes[next - 1].Seq, first.Patient, [.. changes.Skip(i).Take(next - i).Where(isWanted)]));
            i = next;
        }

        return events;
    }

    private static bool IsOneCommit(ChangeRecord a, ChangeRecord b) => a.Patient == b.Patient && a.Source == b.Source && a.At == b.At;
}

using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts.Audit;
using EhrGrains.Grains.Feeds;
using EhrGrains.Storage.Audit;
using EhrGrains.Storage.Journal;

namespace EhrGrains.Silo.Feeds;

/// <summary>
/// What stands behind this silo's MLLP listeners: a message goes into the journal, and only then is its sender told that we have it
/// (I1). The feed's grain is not in that way; it hears of the message afterwards.
/// </summary>
internal sealed class FeedIntake(FeedDirectory directory, FeedNudges nudges, JournalWriter journal, AuditLog audit)
{
    private const string App = "~mllp";
    private const string Action = "feed.refuse";

    internal MllpReceiver Receiver => new(() => directory.Routes, AppendAsync, RecordAsync);

    private async ValueTask<MllpReceipt> AppendAsync(MllpArrival arrival, CancellationToken cancellationToken)
    {
        var (tenant, feed) = (arrival.Route.Tenant, arrival.Route.Feed);
        if (!directory.IsOpen(tenant))
        {
            // A suspended tenant: its senders keep what they have until it is open again.
            return new MllpReceipt(MllpOutcome.Unavailable);
        }

        var message = new JournalMessage
        {
            Tenant = tenant,
            Feed = feed,
            Message = arrival.Message,
            Sender = arrival.Sender,
            ControlId = arrival.ControlId,
            Sequence = arrival.Sequence,
            RetentionDays = arrival.Route.Spec.RetentionDays,
        };
        try
        {
            var receipt = await journal.AppendAsync(message, cancellationToken);
            if (receipt.Disposition is JournalDisposition.Appended or JournalDisposition.ControlIdReused)
            {
                nudges.Inbound(tenant, feed);
            }

            return new MllpReceipt(Outcome(receipt.Disposition), receipt.ExpectedSequence);
        }
        catch (JournalUnavailableException)
        {
            return new MllpReceipt(MllpOutcome.Unavailable);
        }
    }

    private static MllpOutcome Outcome(JournalDisposition disposition) => disposition switch
    {
        JournalDisposition.Appended => MllpOutcome.Appended,
        JournalDisposition.Duplicate => MllpOutcome.Duplicate,
        JournalDisposition.ControlIdReused => MllpOutcome.ControlIdReused,
        JournalDisposition.SequenceAnswered => MllpOutcome.SequenceAnswered,
        _ => MllpOutcome.OutOfSequence,
    };

    private async ValueTask RecordAsync(MllpRefusal refusal, CancellationToken cancellationToken) => await audit.AppendAsync(
        new AuditRecord
        {
            Tenant = refusal.Route?.Tenant ?? AuditChains.Cluster,
            App = App,
            Action = Action,
            Outcome = refusal.Reason switch
            {
                MllpRefusalReason.NotHl7 => "not-hl7",
                MllpRefusalReason.NoControlId => "no-control-id",
                MllpRefusalReason.NoFeed => "no-feed",
                _ => "too-large",
            },
            Source = refusal.RemoteAddress,
        },
        cancellationToken);
}

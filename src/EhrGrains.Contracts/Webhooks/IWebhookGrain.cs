using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using Orleans.Concurrency;

namespace EhrGrains.Contracts.Webhooks;

/// <summary>One webhook: delivers the tenant's changes in order of each patient and drops nothing. Key: <see cref="GrainKeys.Webhook"/>.</summary>
[Alias("ehr.IWebhookGrain")]
public interface IWebhookGrain : IGrainWithStringKey
{
    /// <summary>
    /// Makes the webhook, or changes it. A new one, or one with another URL, first asks its receiver whether it wants the deliveries, and
    /// is pending until it says so. It begins with the changes that come after it was made.
    /// </summary>
    /// <exception cref="ProblemException">Invalid: everything that is wrong with it. NotFound: no such tenant.</exception>
    [Alias("Set"), Requires(Permission.Administer), ResponseTimeout("00:01:00")]
    Task<WebhookRegistration> SetAsync(WebhookSpec spec, CancellationToken cancellationToken);

    /// <summary>What it is and how it stands.</summary>
    /// <exception cref="ProblemException">NotFound: the tenant has no such webhook.</exception>
    [Alias("Status"), Requires(Permission.Operate), AlwaysInterleave]
    Task<WebhookStatus> StatusAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Makes another secret. For <paramref name="overlap"/> (0–30 days) deliveries are signed with the one before as well.
    /// </summary>
    [Alias("Rotate"), Requires(Permission.Administer)]
    Task<SecretText> RotateAsync(TimeSpan overlap, CancellationToken cancellationToken);

    /// <summary>Stops delivering; changes wait.</summary>
    [Alias("Pause"), Requires(Permission.Operate)]
    Task PauseAsync(string reason, CancellationToken cancellationToken);

    /// <summary>Goes on delivering, at once. One that the receiver has not accepted asks it again.</summary>
    [Alias("Resume"), Requires(Permission.Operate), ResponseTimeout("00:01:00")]
    Task<WebhookStatus> ResumeAsync(CancellationToken cancellationToken);

    /// <summary>Delivers again from a change on, this one included.</summary>
    /// <exception cref="ProblemException">Gone: that change is no longer kept. Invalid: there is no such change yet.</exception>
    [Alias("Replay"), Requires(Permission.Operate), ResponseTimeout("00:01:00")]
    Task ReplayAsync(long seq, CancellationToken cancellationToken);

    /// <summary>Sends a delivery without changes, and answers what came of it.</summary>
    [Alias("Test"), Requires(Permission.Operate), ResponseTimeout("00:01:00")]
    Task<WebhookDelivery> TestAsync(CancellationToken cancellationToken);

    /// <summary>The last tries, newest first, before the number given; at most <paramref name="countMax"/> (1–1,000).</summary>
    [Alias("Deliveries"), Requires(Permission.Operate), AlwaysInterleave]
    Task<WebhookDelivery[]> DeliveriesAsync(long? before, int countMax, CancellationToken cancellationToken);

    /// <summary>Ends the webhook: nothing is delivered any more, and nothing of it is kept.</summary>
    [Alias("Remove"), Requires(Permission.Administer)]
    Task RemoveAsync(CancellationToken cancellationToken);

    /// <summary>As <see cref="SetAsync"/>, for an app's own subscription; the headers are sent with each delivery.</summary>
    /// <exception cref="ProblemException">NotFound: there is one of this id that is not the app's.</exception>
    [Alias("Subscribe"), Requires(Permission.Internal), ResponseTimeout("00:01:00")]
    Task<WebhookStatus> SubscribeAsync(WebhookSpec spec, SecretText[] headers, bool paused, CancellationToken cancellationToken);

    /// <summary>As <see cref="StatusAsync"/>, for an app's own subscription.</summary>
    /// <exception cref="ProblemException">NotFound: there is no such subscription, or it is not the app's.</exception>
    [Alias("Subscription"), Requires(Permission.Internal), AlwaysInterleave]
    Task<WebhookStatus> SubscriptionAsync(AppId app, CancellationToken cancellationToken);

    /// <summary>As <see cref="RemoveAsync"/>, for an app's own subscription.</summary>
    /// <exception cref="ProblemException">NotFound: there is no such subscription, or it is not the app's.</exception>
    [Alias("Unsubscribe"), Requires(Permission.Internal)]
    Task UnsubscribeAsync(AppId app, CancellationToken cancellationToken);

    /// <summary>There are changes, or something else to look at. Answered at once.</summary>
    [Alias("Nudge"), Requires(Permission.Internal), AlwaysInterleave, ResponseTimeout("00:00:03")]
    Task NudgeAsync(CancellationToken cancellationToken);
}

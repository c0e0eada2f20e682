using EhrGrains.Contracts.Callers;

namespace EhrGrains.Contracts.Webhooks;

/// <summary>
/// The webhooks of one tenant: listed for operators, and as FHIR R4 Subscriptions (Subscriptions R5 Backport 1.1) for the app that they
/// belong to. A stateless worker; key: <see cref="GrainKeys.Tenant"/>. The second kind asks for the scopes <c>system/Subscription.cruds</c>
/// in token and grant.
/// </summary>
[Alias("ehr.IWebhooksGrain")]
public interface IWebhooksGrain : IGrainWithStringKey
{
    /// <summary>The tenant's webhooks, in order of their ids; at most 1,000.</summary>
    [Alias("List"), Requires(Permission.Operate)]
    Task<WebhookId[]> ListAsync(CancellationToken cancellationToken);

    /// <summary>Creates a Subscription; its receiver is asked by a handshake.</summary>
    /// <param name="subscription">The resource as UTF-8 JSON; at most 64 KiB.</param>
    /// <param name="gatewayBase">The tenant's FHIR base, which the URLs in its notifications begin with.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ProblemException">Invalid: everything that is wrong with it, or not done here.</exception>
    [Alias("Create"), Requires(Permission.Query), ResponseTimeout("00:01:00")]
    Task<SubscriptionResource> CreateAsync(byte[] subscription, string gatewayBase, CancellationToken cancellationToken);

    /// <summary>Replaces a Subscription. The status <c>off</c> pauses it, any other goes on.</summary>
    [Alias("Update"), Requires(Permission.Query), ResponseTimeout("00:01:00")]
    Task<SubscriptionResource> UpdateAsync(string id, byte[] subscription, string gatewayBase, CancellationToken cancellationToken);

    /// <summary>One of the app's Subscriptions.</summary>
    [Alias("Read"), Requires(Permission.Query)]
    Task<SubscriptionResource> ReadAsync(string id, CancellationToken cancellationToken);

    /// <summary>All of the app's Subscriptions, at most 1,000, as a searchset.</summary>
    [Alias("Search"), Requires(Permission.Query)]
    Task<byte[]> SearchAsync(string gatewayBase, CancellationToken cancellationToken);

    /// <summary>Ends a Subscription.</summary>
    [Alias("Delete"), Requires(Permission.Query)]
    Task DeleteAsync(string id, CancellationToken cancellationToken);

    /// <summary>A Subscription's <c>$status</c>: a searchset with its SubscriptionStatus.</summary>
    [Alias("GetStatus"), Requires(Permission.Query)]
    Task<byte[]> GetStatusAsync(string id, CancellationToken cancellationToken);
}

/// <summary>A Subscription.</summary>
/// <param name="Id">Its logical id.</param>
/// <param name="Body">The resource as UTF-8 JSON.</param>
[GenerateSerializer, Immutable, Alias("ehr.SubscriptionResource")]
public sealed record SubscriptionResource([property: Id(0)] string Id, [property: Id(1)] byte[] Body);

using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Query;

namespace EhrGrains.Contracts.Webhooks;

/// <summary>
/// The webhooks of one tenant: listed for operators, and as FHIR Subscriptions for the app that they belong to (Subscriptions R5 Backport
/// 1.1 on R4). A stateless worker; key: <see cref="GrainKeys.Tenant"/>. Answers of the second kind are FHIR responses, refusals too.
/// </summary>
[Alias("ehr.IWebhooksGrain")]
public interface IWebhooksGrain : IGrainWithStringKey
{
    /// <summary>The tenant's webhooks, in order of their ids; at most 1,000.</summary>
    [Alias("List"), Requires(Permission.Operate)]
    Task<WebhookId[]> ListAsync(CancellationToken cancellationToken);

    /// <summary>Creates a Subscription; its receiver is asked by a handshake.</summary>
    [Alias("Create"), Requires(Permission.Query)]
    Task<FhirResponse> CreateAsync(byte[] subscription, string gatewayBase, CancellationToken cancellationToken);

    /// <summary>Replaces a Subscription. The status <c>off</c> pauses it, <c>requested</c> goes on.</summary>
    [Alias("Update"), Requires(Permission.Query)]
    Task<FhirResponse> UpdateAsync(string id, byte[] subscription, string gatewayBase, CancellationToken cancellationToken);

    /// <summary>One of the app's Subscriptions; null: all of them, as a searchset.</summary>
    [Alias("Read"), Requires(Permission.Query)]
    Task<FhirResponse> ReadAsync(string? id, string gatewayBase, CancellationToken cancellationToken);

    /// <summary>Ends a Subscription.</summary>
    [Alias("Delete"), Requires(Permission.Query)]
    Task<FhirResponse> DeleteAsync(string id, CancellationToken cancellationToken);

    /// <summary>The Subscription's <c>$status</c>.</summary>
    [Alias("GetStatus"), Requires(Permission.Query)]
    Task<FhirResponse> GetStatusAsync(string id, string gatewayBase, CancellationToken cancellationToken);
}

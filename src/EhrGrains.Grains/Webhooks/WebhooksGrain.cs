using System.Security.Cryptography;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Tenants;
using EhrGrains.Storage.Webhooks;
using Orleans.Concurrency;

namespace EhrGrains.Grains.Webhooks;

/// <summary>Lists webhooks, and is FHIR's way to them. Reentrant: it holds nothing.</summary>
[GrainType("ehr.webhooks"), StatelessWorker, Reentrant]
internal sealed class WebhooksGrain(WebhookTable table, TenantSnapshots tenants, IGrainFactory grains) : Grain, IWebhooksGrain
{
    private const int IdBytes = 12;

    private TenantId Tenant => TenantId.Parse(this.GetPrimaryKeyString(), null);

    public async Task<WebhookId[]> ListAsync(CancellationToken cancellationToken) => [.. await table.ListAsync(Tenant, null, cancellationToken)];

    public async Task<SubscriptionResource> CreateAsync(byte[] subscription, string gatewayBase, CancellationToken cancellationToken)
    {
        var caller = await AdmitAsync(Interactions.Create, cancellationToken);
        var draft = SubscriptionReader.Read(subscription, caller.App, gatewayBase);
        var id = WebhookId.Parse("sub-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdBytes)), null);
        return SubscriptionWriter.Write(await Of(id).SubscribeAsync(draft.Spec, draft.Headers, draft.IsOff, cancellationToken));
    }

    public async Task<SubscriptionResource> UpdateAsync(string id, byte[] subscription, string gatewayBase, CancellationToken cancellationToken)
    {
        var caller = await AdmitAsync(Interactions.Update, cancellationToken);
        var webhook = Of(ParseId(id));
        await webhook.SubscriptionAsync(caller.App, cancellationToken);
        var draft = SubscriptionReader.Read(subscription, caller.App, gatewayBase);
        return SubscriptionWriter.Write(await webhook.SubscribeAsync(draft.Spec, draft.Headers, draft.IsOff, cancellationToken));
    }

    public async Task<SubscriptionResource> ReadAsync(string id, CancellationToken cancellationToken)
    {
        var caller = await AdmitAsync(Interactions.Read, cancellationToken);
        return SubscriptionWriter.Write(await Of(ParseId(id)).SubscriptionAsync(caller.App, cancellationToken));
    }

    public async Task<byte[]> SearchAsync(string gatewayBase, CancellationToken cancellationToken)
    {
        var caller = await AdmitAsync(Interactions.Search, cancellationToken);
        var found = new List<SubscriptionResource>();
        foreach (var id in await table.ListAsync(Tenant, caller.App, cancellationToken))
        {
            try
            {
                found.Add(SubscriptionWriter.Write(await Of(id).SubscriptionAsync(caller.App, cancellationToken)));
            }
            catch (ProblemException e) when (e.Kind == ProblemKind.NotFound)
            {
                // A webhook that an operator made for the app is not a Subscription.
            }
        }

        return SubscriptionWriter.WriteSearchset(found, gatewayBase);
    }

    public async Task DeleteAsync(string id, CancellationToken cancellationToken)
    {
        var caller = await AdmitAsync(Interactions.Delete, cancellationToken);
        await Of(ParseId(id)).UnsubscribeAsync(caller.App, cancellationToken);
    }

    public async Task<byte[]> GetStatusAsync(string id, CancellationToken cancellationToken)
    {
        var caller = await AdmitAsync(Interactions.Read, cancellationToken);
        var status = await Of(ParseId(id)).SubscriptionAsync(caller.App, cancellationToken);
        return SubscriptionBundles.Status(status, SubscriptionWriter.StatusOf(status));
    }

    private async Task<Caller> AdmitAsync(Interactions interaction, CancellationToken cancellationToken)
    {
        var caller = Caller.Current ?? throw new ProblemException(ProblemKind.Unauthenticated, "EHR-AUT-001", "", "No access token came with the call.");
        var tenant = await tenants.GetAsync(Tenant, cancellationToken);
        var grant = tenant is null ? null : Array.Find(tenant.Grants, grant => grant.App == caller.App);
        return grant is not null && new[] { caller.Scopes, grant.Scopes }.All(scopes => SmartScope.AnyAllows(scopes, "Subscription", interaction))
            ? caller
            : throw new ProblemException(
                ProblemKind.Forbidden, "EHR-QRY-003", "",
                $"This needs the scope system/Subscription.{char.ToLowerInvariant(interaction.ToString()[0])}, in the access token and in the app's grant at the tenant.");
    }

    private IWebhookGrain Of(WebhookId webhook) => grains.GetGrain<IWebhookGrain>(GrainKeys.Webhook(Tenant, webhook));

    private static WebhookId ParseId(string id) => WebhookId.TryParse(id, out var webhook)
        ? webhook
        : throw new ProblemException(ProblemKind.NotFound, "EHR-WHK-102", "id", "There is no such Subscription.");
}

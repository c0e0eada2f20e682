using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;

namespace EhrGrains.Silo.Admin;

/// <summary>A webhook to make; empty lists mean all.</summary>
internal sealed record WebhookRequest(AppId App, string Url, string[]? Types, string[]? Patients, WebhookPayload Payload, string? Description)
{
    internal WebhookSpec ToContract() => new()
    {
        App = App,
        Url = Url,
        Types = Types ?? [],
        Patients = Patients ?? [],
        Payload = Payload,
        Description = Description ?? "",
    };

    public override string ToString() => $"WebhookRequest of {App}";
}

/// <summary>A webhook that was made, and its secret, shown this once.</summary>
internal sealed record WebhookResponse(WebhookStatus Webhook, string? Secret)
{
    public override string ToString() => $"WebhookResponse {Webhook.Webhook}";
}

/// <summary>For how long the secret before signs as well. Default 24 h.</summary>
internal sealed record RotateSecretRequest(double? OverlapHours);

/// <summary>A new secret, shown this once.</summary>
internal sealed record SecretResponse(string Secret)
{
    public override string ToString() => nameof(SecretResponse);
}

/// <summary>From which change on to deliver again.</summary>
internal sealed record WebhookReplayRequest(long Seq);

/// <summary>Webhooks over HTTP, the same grain commands as the command line.</summary>
internal static class WebhookEndpoints
{
    private const int DeliveriesPage = 100;
    private const double OverlapHoursDefault = 24;

    internal static void MapWebhooks(this RouteGroupBuilder webhooks)
    {
        webhooks.MapGet("", async (TenantId tenant, IGrainFactory grains, CancellationToken ct) =>
                await Task.WhenAll((await grains.GetGrain<IWebhooksGrain>(GrainKeys.Tenant(tenant)).ListAsync(ct))
                    .Select(webhook => Of(grains, tenant, webhook).StatusAsync(ct))))
            .WithName("ListWebhooks").WithSummary("The tenant's webhooks, FHIR Subscriptions among them, and how each stands.");
        webhooks.MapGet("/{webhook}", (TenantId tenant, WebhookId webhook, IGrainFactory grains, CancellationToken ct) =>
                Of(grains, tenant, webhook).StatusAsync(ct))
            .WithName("DescribeWebhook").WithSummary("What a webhook is and how it stands: state, position, backlog, last failure.");
        webhooks.MapPut("/{webhook}", async (TenantId tenant, WebhookId webhook, WebhookRequest request, IGrainFactory grains, CancellationToken ct) =>
            {
                var made = await Of(grains, tenant, webhook).SetAsync(request.ToContract(), ct);
                return new WebhookResponse(made.Status, made.Secret?.Reveal());
            })
            .WithName("SetWebhook").WithSummary("Makes or changes a webhook; its receiver is challenged first. The secret is shown this once.");
        webhooks.MapDelete("/{webhook}", async (TenantId tenant, WebhookId webhook, IGrainFactory grains, CancellationToken ct) =>
            {
                await Of(grains, tenant, webhook).RemoveAsync(ct);
                return Results.NoContent();
            })
            .WithName("RemoveWebhook").WithSummary("Ends a webhook; nothing of it is kept.");
        webhooks.MapPost("/{webhook}:rotate", async (TenantId tenant, WebhookId webhook, RotateSecretRequest request, IGrainFactory grains, CancellationToken ct) =>
                new SecretResponse((await Of(grains, tenant, webhook).RotateAsync(TimeSpan.FromHours(request.OverlapHours ?? OverlapHoursDefault), ct)).Reveal()))
            .WithName("RotateWebhookSecret").WithSummary("Makes another secret; both sign while they overlap.");
        webhooks.MapPost("/{webhook}:pause", async (TenantId tenant, WebhookId webhook, FeedReason why, IGrainFactory grains, CancellationToken ct) =>
            {
                await Of(grains, tenant, webhook).PauseAsync(why.Reason, ct);
                return Results.NoContent();
            })
            .WithName("PauseWebhook").WithSummary("Stops delivering; changes wait.");
        webhooks.MapPost("/{webhook}:resume", (TenantId tenant, WebhookId webhook, IGrainFactory grains, CancellationToken ct) =>
                Of(grains, tenant, webhook).ResumeAsync(ct))
            .WithName("ResumeWebhook").WithSummary("Goes on delivering, at once; asks a receiver that has not accepted again.");
        webhooks.MapPost("/{webhook}:replay", async (TenantId tenant, WebhookId webhook, WebhookReplayRequest from, IGrainFactory grains, CancellationToken ct) =>
            {
                await Of(grains, tenant, webhook).ReplayAsync(from.Seq, ct);
                return Results.NoContent();
            })
            .WithName("ReplayWebhook").WithSummary("Delivers again from a change on, under the same ids.");
        webhooks.MapPost("/{webhook}:test", (TenantId tenant, WebhookId webhook, IGrainFactory grains, CancellationToken ct) =>
                Of(grains, tenant, webhook).TestAsync(ct))
            .WithName("TestWebhook").WithSummary("Sends a delivery without changes and answers what came of it.");
        webhooks.MapGet("/{webhook}/deliveries", (TenantId tenant, WebhookId webhook, long? before, IGrainFactory grains, CancellationToken ct) =>
                Of(grains, tenant, webhook).DeliveriesAsync(before, DeliveriesPage, ct))
            .WithName("ListDeliveries").WithSummary("The last 100 tries, newest first, before the number given; not what was delivered.");
    }

    private static IWebhookGrain Of(IGrainFactory grains, TenantId tenant, WebhookId webhook) =>
        grains.GetGrain<IWebhookGrain>(GrainKeys.Webhook(tenant, webhook));
}

using System.Globalization;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Storage.Webhooks;

/// <summary>
/// Where each webhook has got to, and its last tries. Who delivers takes the epoch; nothing that an earlier one does has an effect (I3).
/// Thread-safe.
/// </summary>
public sealed class WebhookTable(Database database)
{
    /// <summary>The most webhooks of a tenant.</summary>
    public const int CountMax = 1_000;

    /// <summary>Enters a webhook, behind the changes that there are; one that is there keeps its position.</summary>
    public Task AddAsync(TenantId tenant, WebhookId webhook, AppId app, CancellationToken cancellationToken)
    {
        var add = new Statement(
            """
            INSERT INTO webhook (tenant_id, webhook, app, epoch, position, delivered, tries)
            VALUES ($1, $2, $3, 0, coalesce((SELECT last FROM change_heads WHERE tenant_id = $1), 0), 0, 0)
            ON CONFLICT (tenant_id, webhook) DO UPDATE SET app = excluded.app
            """)
            .With(tenant.Value).With(webhook.Value).With(app.Value);
        return database.ExecuteAsync(TenantScope.Of(tenant), [add], cancellationToken);
    }

    /// <summary>Forgets a webhook.</summary>
    public Task RemoveAsync(TenantId tenant, WebhookId webhook, CancellationToken cancellationToken) => database.ExecuteAsync(
        TenantScope.Of(tenant),
        [
            new Statement("DELETE FROM webhook_delivery WHERE tenant_id = $1 AND webhook = $2").With(tenant.Value).With(webhook.Value),
            new Statement("DELETE FROM webhook WHERE tenant_id = $1 AND webhook = $2").With(tenant.Value).With(webhook.Value),
        ],
        cancellationToken);

    /// <summary>The webhooks of all tenants.</summary>
    public async Task<IReadOnlyList<(TenantId Tenant, WebhookId Webhook)>> ListAllAsync(CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Directory,
            new Statement("SELECT tenant_id, webhook FROM webhook"),
            r => (TenantId.Parse(r.GetString(0), CultureInfo.InvariantCulture), WebhookId.Parse(r.GetString(1), CultureInfo.InvariantCulture)),
            cancellationToken);

    /// <summary>The webhooks of a tenant, or of one app there, in order of their ids.</summary>
    public async Task<IReadOnlyList<WebhookId>> ListAsync(TenantId tenant, AppId? app, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement("SELECT webhook FROM webhook WHERE tenant_id = $1 AND ($2 = '' OR app = $2) ORDER BY webhook LIMIT $3")
                .With(tenant.Value).With(app?.Value ?? "").With(CountMax),
            r => WebhookId.Parse(r.GetString(0), CultureInfo.InvariantCulture),
            cancellationToken);

    /// <summary>Begins to deliver: takes the next epoch; null: there is no such webhook.</summary>
    public async Task<WebhookStanding?> TakeEpochAsync(TenantId tenant, WebhookId webhook, CancellationToken cancellationToken)
    {
        var take = new Statement(
            $"UPDATE webhook SET epoch = epoch + 1 WHERE tenant_id = $1 AND webhook = $2 RETURNING {Columns}").With(tenant.Value).With(webhook.Value);
        await using var session = await database.BeginAsync(TenantScope.Of(tenant), cancellationToken);
        var taken = await session.ReadAsync([take], Standing, cancellationToken);
        await session.CommitAsync(cancellationToken);
        return taken.FirstOrDefault();
    }

    /// <summary>Where a webhook has got to; null: there is no such webhook.</summary>
    public async Task<WebhookStanding?> FindAsync(TenantId tenant, WebhookId webhook, CancellationToken cancellationToken) =>
        (await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement($"SELECT {Columns} FROM webhook WHERE tenant_id = $1 AND webhook = $2").With(tenant.Value).With(webhook.Value),
            Standing,
            cancellationToken)).FirstOrDefault();

    /// <summary>
    /// Commits where a webhook has got to, and its tries. Not flushed: what a machine that fails takes with it is delivered again, under
    /// the same ids.
    /// </summary>
    /// <returns>False: another has taken the epoch since, and nothing was changed.</returns>
    public async Task<bool> CommitAsync(
        TenantId tenant, WebhookId webhook, WebhookStanding standing, IReadOnlyList<WebhookDelivery> tries, CancellationToken cancellationToken)
    {
        var advance = new Statement(
            """
            UPDATE webhook SET position = $4, delivered = $5, tries = $6, delivered_at_us = $7
            WHERE tenant_id = $1 AND webhook = $2 AND epoch = $3
            """)
            .With(tenant.Value).With(webhook.Value).With(standing.Epoch).With(standing.Position).With(standing.Delivered).With(standing.Tries)
            .With(standing.DeliveredAt?.ToMicroseconds());
        return await database.ExecuteRelaxedAsync(
            TenantScope.Of(tenant),
            [advance, .. tries.Select(entry => new Statement(
                """
                INSERT INTO webhook_delivery (tenant_id, webhook, number, at_us, delivery, first, last, try, outcome, milliseconds)
                SELECT $1, $2, $4, $5, $6, $7, $8, $9, $10, $11 FROM webhook WHERE tenant_id = $1 AND webhook = $2 AND epoch = $3
                """)
                .With(tenant.Value).With(webhook.Value).With(standing.Epoch).With(entry.Number).With(entry.At.ToMicroseconds()).With(entry.Id)
                .With(entry.First).With(entry.Last).With(entry.Try).With(entry.Outcome).With(entry.Milliseconds))],
            cancellationToken) > 0;
    }

    /// <summary>The last tries, newest first, before a number.</summary>
    public async Task<IReadOnlyList<WebhookDelivery>> DeliveriesAsync(
        TenantId tenant, WebhookId webhook, long before, int countMax, CancellationToken cancellationToken) =>
        await database.ReadAsync(
            TenantScope.Of(tenant),
            new Statement(
                """
                SELECT number, at_us, delivery, first, last, try, outcome, milliseconds FROM webhook_delivery
                WHERE tenant_id = $1 AND webhook = $2 AND number < $3 ORDER BY number DESC LIMIT $4
                """)
                .With(tenant.Value).With(webhook.Value).With(before).With(countMax),
            r => new WebhookDelivery(
                r.GetInt64(0), Microseconds.FromMicroseconds(r.GetInt64(1)), r.GetString(2), r.GetInt64(3), r.GetInt64(4), (int)r.GetInt64(5),
                r.GetString(6), (int)r.GetInt64(7)),
            cancellationToken);

    private const string Columns = "epoch, position, delivered, tries, delivered_at_us";

    private static WebhookStanding Standing(System.Data.Common.DbDataReader r) => new(
        r.GetInt64(0), r.GetInt64(1), r.GetInt64(2), r.GetInt64(3), r.IsDBNull(4) ? null : Microseconds.FromMicroseconds(r.GetInt64(4)));
}

/// <summary>Where a webhook has got to.</summary>
/// <param name="Epoch">Counts the activations that have delivered.</param>
/// <param name="Position">The last change that is delivered or was not for it.</param>
/// <param name="Delivered">Changes delivered.</param>
/// <param name="Tries">Deliveries tried.</param>
/// <param name="DeliveredAt">When the receiver last took one.</param>
public sealed record WebhookStanding(long Epoch, long Position, long Delivered, long Tries, DateTimeOffset? DeliveredAt);

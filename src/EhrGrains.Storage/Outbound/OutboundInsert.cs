using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;

namespace EhrGrains.Storage.Outbound;

/// <summary>
/// Puts messages into queues of one tenant inside somebody's transaction. Positions may have gaps: they are taken before it is known
/// which keys are there already.
/// </summary>
internal sealed class OutboundInsert
{
    private readonly TenantId tenant;
    private readonly IGrouping<string, Forward>[] groups;
    private readonly Dictionary<string, long> ends = new(StringComparer.Ordinal);

    private OutboundInsert(TenantId tenant, IReadOnlyList<Forward> messages)
    {
        this.tenant = tenant;
        groups = [.. messages.GroupBy(m => m.Feed.Value).OrderBy(g => g.Key, StringComparer.Ordinal)];
    }

    /// <summary>To be called before the transaction begins: making a tenant's first key takes a transaction of its own.</summary>
    internal static async Task<OutboundInsert> PrepareAsync(
        KeyRing keys, TenantId tenant, IReadOnlyList<Forward> messages, CancellationToken cancellationToken)
    {
        foreach (var message in messages)
        {
            ArgumentOutOfRangeException.ThrowIfZero(message.Message.Length, nameof(messages));
            ArgumentException.ThrowIfNullOrEmpty(message.Key, nameof(messages));
        }

        if (messages.Count > 0)
        {
            await keys.SealAsync(tenant.Value, KeyClass.Journal, default, default, cancellationToken);
        }

        return new OutboundInsert(tenant, messages);
    }

    /// <summary>Binds a sealed message to its place (AAD); no place in a journal begins like this.</summary>
    internal static byte[] Place(string feed, long position)
    {
        var place = new byte[16 + Encoding.ASCII.GetByteCount(feed)];
        BinaryPrimitives.WriteInt64BigEndian(place, -1);
        BinaryPrimitives.WriteInt64BigEndian(place.AsSpan(8), position);
        Encoding.ASCII.GetBytes(feed, place.AsSpan(16));
        return place;
    }

    /// <summary>Locks the queues, in one order, and takes as many positions as there are messages.</summary>
    internal async Task TakePositionsAsync(Session session, CancellationToken cancellationToken)
    {
        if (groups.Length == 0)
        {
            return;
        }

        var taken = await session.ReadAsync(
            [.. groups.Select(group => new Statement(
                """
                INSERT INTO outbound_head (tenant_id, feed, position, epoch) VALUES ($1, $2, $3, 0)
                ON CONFLICT (tenant_id, feed) DO UPDATE SET position = outbound_head.position + excluded.position
                RETURNING feed, position
                """)
                .With(tenant.Value).With(group.Key).With(group.Count()))],
            r => (Feed: r.GetString(0), End: r.GetInt64(1)),
            cancellationToken);
        foreach (var (feed, end) in taken)
        {
            ends.Add(feed, end);
        }
    }

    internal IEnumerable<Statement> Statements(KeyRing keys, string clockSql)
    {
        foreach (var group in groups)
        {
            var position = ends[group.Key] - group.Count();
            foreach (var message in group)
            {
                position++;
                var record = keys.TrySeal(tenant.Value, KeyClass.Journal, message.Message.Span, Place(group.Key, position))
                    ?? throw new InvalidOperationException("The tenant's key ran out between its preparation and its use. Try again.");
                yield return new Statement(
                    $"""
                    INSERT INTO outbound_message (tenant_id, feed, position, key, at_us, state, length, tries, message)
                    VALUES ($1, $2, $3, $4, {clockSql}, 0, $5, 0, $6) ON CONFLICT (tenant_id, feed, key) DO NOTHING
                    """)
                    .With(tenant.Value).With(group.Key).With(position)
                    .With(SHA256.HashData(Encoding.UTF8.GetBytes(message.Key)))
                    .With(message.Message.Length).With(record);
            }
        }
    }
}

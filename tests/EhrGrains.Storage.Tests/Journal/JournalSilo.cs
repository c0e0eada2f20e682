using System.Text;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Feeds;
using EhrGrains.Storage.Journal;
using EhrGrains.Storage.Keys;
using EhrGrains.Storage.Outbound;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Storage.Tests.Journal;

/// <summary>The journal as one silo has it.</summary>
internal sealed class JournalSilo : IAsyncDisposable
{
    private readonly ServiceProvider services;

    private JournalSilo(TestDatabase test, TimeProvider? time)
    {
        services = new ServiceCollection()
            .AddLogging()
            .AddSingleton(time ?? Time)
            .AddSingleton(test.Root)
            .AddSingleton(test.Open(time ?? Time, NullLoggerFactory.Instance))
            .AddEhrGrainsTables()
            .BuildServiceProvider();
    }

    /// <summary>The clock where no other is given: stands still, so that nothing times out because the machine is busy.</summary>
    internal FakeTimeProvider Time { get; } = new(DateTimeOffset.UtcNow);

    internal JournalWriter Writer => services.GetRequiredService<JournalWriter>();

    internal JournalReader Reader => services.GetRequiredService<JournalReader>();

    internal JournalRetention Retention => services.GetRequiredService<JournalRetention>();

    internal FeedProgress Progress => services.GetRequiredService<FeedProgress>();

    internal FeedTable Feeds => services.GetRequiredService<FeedTable>();

    internal OutboundQueue Outbound => services.GetRequiredService<OutboundQueue>();

    internal KeyRing Keys => services.GetRequiredService<KeyRing>();

    internal Database Database => services.GetRequiredService<Database>();

    internal static async Task<JournalSilo> StartAsync(TestDatabase test, TimeProvider? time = null)
    {
        var silo = new JournalSilo(test, time);
        await silo.Writer.StartAsync(TestContext.Current.CancellationToken);
        return silo;
    }

    internal static JournalMessage Message(FeedKey feed, string controlId, string? content = null, long? sequence = null) => new()
    {
        Tenant = TenantId.Parse(feed.Tenant),
        Feed = FeedId.Parse(feed.Feed),
        Sender = "LAB^1.2.3^ISO|NORTH",
        ControlId = controlId,
        Message = Bytes(content ?? controlId),
        Sequence = sequence,
    };

    internal static ReadOnlyMemory<byte> Bytes(string content) => Encoding.UTF8.GetBytes($"MSH|^~\\&|LAB|NORTH||||||{content}\rPID|1||Müller");

    internal Task<JournalReceipt> AppendAsync(FeedKey feed, string controlId, string? content = null, long? sequence = null) =>
        Writer.AppendAsync(Message(feed, controlId, content, sequence), TestContext.Current.CancellationToken);

    internal Task<IReadOnlyList<JournalEntry>> ReadAsync(FeedKey feed, long after = 0, int countMax = 1000, int bytesMax = int.MaxValue) =>
        Reader.ReadAsync(TenantId.Parse(feed.Tenant), FeedId.Parse(feed.Feed), after, countMax, bytesMax, TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await Writer.StopAsync(CancellationToken.None);
        await services.DisposeAsync();
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Text;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Journal;
using EhrGrains.Storage.Keys;
using EhrGrains.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace EhrGrains.Benchmarks;

/// <summary>
/// The journal writer alone: callers that each append a message of 1.3 KB, wait until it is flushed, and append the next. What the
/// listener does with a journal is measured against this.
/// </summary>
internal static class JournalBenchmark
{
    internal const int MessageLength = 1285;

    private const int Rounds = 5;
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(2);

    /// <summary>What Mirth's durable mode did on such a machine, by connections.</summary>
    private static readonly (int Callers, double MirthPerSecond)[] Shapes = [(1, 124), (16, 353), (200, 454)];

    internal static async Task<IReadOnlyList<string[]>> RunAsync(CancellationToken cancellationToken)
    {
        var rows = new List<string[]>();
        foreach (var kind in (DatabaseKind[])[DatabaseKind.Sqlite, DatabaseKind.PostgreSql])
        {
            if (kind == DatabaseKind.PostgreSql && !PostgresServer.IsAvailable)
            {
                rows.Add(["PostgreSQL", "not measured: EHRGRAINS_TEST_POSTGRES is not set", "", "", "", ""]);
                continue;
            }

            await using var subject = await Subject.CreateAsync(kind, cancellationToken);
            foreach (var (callers, mirth) in Shapes)
            {
                await subject.MeasureAsync(callers, Round, cancellationToken);
                var rounds = new List<Measured>();
                for (var i = 0; i < Rounds; i++)
                {
                    rounds.Add(await subject.MeasureAsync(callers, Round, cancellationToken));
                }

                var (perSecond, cpu, _) = rounds.OrderBy(r => r.PerSecond).ElementAt(Rounds / 2);
                rows.Add(
                [
                    $"{kind}, {callers}", Rate.Text(perSecond), Rate.Text(cpu), Rate.Text(perSecond / mirth), Rate.Text(mirth),
                    Rate.Text(rounds.Sum(r => r.Refused)),
                ]);
            }
        }

        return rows;
    }

    /// <summary>One round.</summary>
    internal readonly record struct Measured(double PerSecond, double CpuMicroseconds, long Refused);

    /// <summary>One database with a journal writer over it.</summary>
    internal sealed class Subject : IAsyncDisposable
    {
        private readonly TempDirectory directory = new();
        private readonly ServiceProvider services;
        private readonly PostgresDatabase? postgres;
        private long next;

        private Subject(DatabaseKind kind, PostgresDatabase? postgres)
        {
            this.postgres = postgres;
            services = new ServiceCollection()
                .AddLogging()
                .AddSingleton(TimeProvider.System)
                .AddSingleton(RootKey.LoadOrCreate(directory.File("root.key")))
                .AddSingleton(Open(kind, postgres?.AppConnectionString))
                .AddEhrGrainsTables()
                .BuildServiceProvider();
        }

        internal JournalWriter Writer => services.GetRequiredService<JournalWriter>();

        internal static async Task<Subject> CreateAsync(DatabaseKind kind, CancellationToken cancellationToken)
        {
            var server = kind == DatabaseKind.PostgreSql ? await PostgresServer.CreateDatabaseAsync(cancellationToken) : null;
            var subject = new Subject(kind, server);
            await using var owner = subject.Open(kind, server?.OwnerConnectionString);
            await owner.MigrateAsync(cancellationToken);
            await subject.Writer.StartAsync(cancellationToken);
            return subject;
        }

        /// <summary>Messages a second with so many callers, and this process's CPU time for each.</summary>
        internal async Task<Measured> MeasureAsync(int callers, TimeSpan length, CancellationToken cancellationToken)
        {
            using var process = Process.GetCurrentProcess();
            var cpu = process.TotalProcessorTime;
            var clock = Stopwatch.StartNew();
            var (count, refused) = (0L, 0L);
            await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(
                async () =>
                {
                    while (clock.Elapsed < length)
                    {
                        try
                        {
                            await Writer.AppendAsync(Message(), cancellationToken);
                            Interlocked.Increment(ref count);
                        }
                        catch (JournalUnavailableException)
                        {
                            // A machine that is busy with other things for more than a second. A sender would repeat the message.
                            Interlocked.Increment(ref refused);
                            await Task.Yield();
                        }
                    }
                },
                cancellationToken)));
            process.Refresh();
            return new Measured(
                count / clock.Elapsed.TotalSeconds, (process.TotalProcessorTime - cpu).TotalMicroseconds / Math.Max(count, 1), refused);
        }

        public async ValueTask DisposeAsync()
        {
            await Writer.StopAsync(CancellationToken.None);
            await services.DisposeAsync();
            if (postgres is not null)
            {
                await postgres.DisposeAsync();
            }

            directory.Dispose();
        }

        private Database Open(DatabaseKind kind, string? connectionString) => Database.Open(
            kind, connectionString ?? $"Data Source={directory.File("journal.db")}", TimeProvider.System, NullLoggerFactory.Instance);

        private JournalMessage Message()
        {
            var controlId = string.Create(CultureInfo.InvariantCulture, $"{Interlocked.Increment(ref next):D20}");
            return new JournalMessage
            {
                Tenant = TenantId.Parse("bench"),
                Feed = FeedId.Parse("adt"),
                Sender = "SENDER|NORTH",
                ControlId = controlId,
                Message = Encoding.ASCII.GetBytes($"MSH|^~\\&|SENDER|NORTH|||20260101||ADT^A01|{controlId}|P|2.5.1\r".PadRight(MessageLength, 'x')),
            };
        }
    }
}

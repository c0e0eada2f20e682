using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using EhrGrains.Cli.Commands;
using EhrGrains.Cli.Results;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Journal;
using EhrGrains.Storage.Keys;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace EhrGrains.Cli.Hl7;

/// <summary>A message that came in; never a value of it.</summary>
/// <param name="At">When.</param>
/// <param name="Verdict">What became of it: <c>appended</c>, <c>duplicate</c>, … or why it was refused.</param>
/// <param name="Type">MSH-9.1 where it is a common one.</param>
/// <param name="Position">Its position in the journal; null: it is not there.</param>
/// <param name="ControlId">The beginning of the SHA-256 of MSH-10; null: it has none.</param>
/// <param name="Bytes">Its size.</param>
internal sealed record Hl7Heard(DateTimeOffset At, string Verdict, string? Type, long? Position, string? ControlId, long Bytes)
{
    internal string ToLine()
    {
        var which = Position is { } position ? $"#{position}" : $"id {ControlId ?? "none"}";
        return string.Create(CultureInfo.InvariantCulture, $"{At:HH:mm:ss.fff} {Verdict,-12} {Type,-5} {which} {Bytes} bytes");
    }
}

/// <summary>
/// <c>ehrgrains hl7 listen</c>: the silo's listener and journal in a process of their own, with one feed that takes every message.
/// </summary>
internal static class ListenVerb
{
    private const string NoJournal = "none";
    private const string JournalDefault = "hl7-journal.db";

    private static readonly FeedRoute Open = new(
        TenantId.Parse("local", null), FeedId.Parse("listen", null), new InboundFeedSpec { Match = new FeedMatch() });

    private static readonly Option<int> Port = new("--port")
    {
        Description = "TCP port; 0: a free one.",
        HelpName = "PORT",
        DefaultValueFactory = _ => 2575,
    };

    private static readonly Option<string> Address = new("--address")
    {
        Description = "IP address to listen on.",
        HelpName = "ADDRESS",
        DefaultValueFactory = _ => "127.0.0.1",
    };

    private static readonly Option<string> Journal = new("--journal")
    {
        Description = "SQLite file that messages are kept in, encrypted, before they are acknowledged; the key lies beside it (FILE.key). "
            + $"{NoJournal}: nothing is kept.",
        HelpName = $"FILE|{NoJournal}",
        DefaultValueFactory = _ => JournalDefault,
    };

    private static readonly Option<string?> Certificate = TlsFiles.Option("--certificate", "Listen with TLS: our certificate, PEM.");
    private static readonly Option<string?> Key = TlsFiles.Option("--key", "Its private key, PEM.");

    internal static Verb Build() => new Verb(
        "listen",
        "Listens for MLLP, keeps and acknowledges every message, and prints a line for each. "
            + "Ends with Ctrl-C, when what is under way is acknowledged.")
    {
        Port, Address, Journal, Certificate, Key,
    }.StreamsUntilStopped<Hl7Heard>(RunAsync);

    private static async Task<ExitCode> RunAsync(Invocation run)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(TimeProvider.System);
        await using var database = await AddJournalAsync(run, builder.Services);
        builder.Services.AddLogging();
        builder.Services.AddSingleton(provider => Receiver(run.Output, provider.GetService<JournalWriter>()));
        builder.Services.AddMllpListener();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(
            kestrel => kestrel.Listen(ParseAddress(run), run.Get(Port), listen => Endpoint(listen, run)));
        await using var app = builder.Build();
        await WarmUpAsync(app.Services, run.Stopping);
        await app.StartAsync(run.Stopping);
        var address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        var kept = database is null ? "nothing is kept" : $"journal {run.Get(Journal)}";
        run.Output.Note($"Listening on {address.Host}:{address.Port}; {kept}. Ctrl-C ends it.");
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, run.Stopping);
        }
        catch (OperationCanceledException)
        {
            run.Output.Note("Ending: what is under way is acknowledged.");
        }

        await app.StopAsync(CancellationToken.None);
        return ExitCode.Ok;
    }

    // What happens once in a process (the feed's key, the first statements) is not at the cost of the first message.
    private static async Task WarmUpAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        if (services.GetService<JournalReader>() is { } reader)
        {
            var keys = services.GetRequiredService<KeyRing>();
            await keys.SealAsync(Open.Tenant.Value, KeyClass.Journal, default, default, cancellationToken);
            await reader.ReadAsync(Open.Tenant, Open.Feed, 0, 1, 1, cancellationToken);
        }
    }

    private static void Endpoint(ListenOptions listen, Invocation run)
    {
        if (run.Get(Certificate) is not { } certificate)
        {
            listen.UseMllp();
            return;
        }

        var key = run.Get(Key) ?? throw new ProblemException(ProblemKind.Invalid, "EHR-HL7-020", "--key", "A certificate needs its key.");
        listen.UseMllpTls(new MllpTlsOptions(certificate, key));
    }

    private static IPAddress ParseAddress(Invocation run) =>
        IPAddress.TryParse(run.Get(Address), out var address)
            ? address
            : throw new ProblemException(
                ProblemKind.Invalid, "EHR-HL7-021", "--address", "Is an IP address of this machine, for example 127.0.0.1 or 0.0.0.0.");

    private static async Task<Database?> AddJournalAsync(Invocation run, IServiceCollection services)
    {
        if (run.Get(Journal) is not { } file || file == NoJournal)
        {
            return null;
        }

        var database = Database.Open(DatabaseKind.Sqlite, $"Data Source={file}", TimeProvider.System, NullLoggerFactory.Instance);
        await database.MigrateAsync(run.Stopping);
        await database.CheckAsync(run.Stopping);
        services.AddSingleton(database);
        services.AddSingleton(RootKey.LoadOrCreate(file + ".key"));
        services.AddEhrGrainsTables();
        return database;
    }

    private static MllpReceiver Receiver(Output output, JournalWriter? journal)
    {
        var routes = FeedRoutes.From([Open]);
        return new MllpReceiver(
            () => routes,
            async (arrival, cancellationToken) =>
            {
                var (receipt, position) = await KeepAsync(journal, arrival, cancellationToken);
                var verdict = Words.Of(receipt.Outcome);
                var id = Digest(arrival.ControlId);
                Say(output, new Hl7Heard(arrival.ReceivedAt, verdict, arrival.MessageType, position, id, arrival.Message.Length));
                return receipt;
            },
            (refusal, _) =>
            {
                Say(output, new Hl7Heard(TimeProvider.System.GetUtcNow(), Words.Of(refusal.Reason), null, null, null, refusal.Bytes));
                return ValueTask.CompletedTask;
            });
    }

    private static async Task<(MllpReceipt Receipt, long? Position)> KeepAsync(
        JournalWriter? journal, MllpArrival arrival, CancellationToken cancellationToken)
    {
        if (journal is null)
        {
            return (new MllpReceipt(MllpOutcome.Appended), null);
        }

        try
        {
            var receipt = await journal.AppendAsync(
                new JournalMessage
                {
                    Tenant = arrival.Route.Tenant,
                    Feed = arrival.Route.Feed,
                    Message = arrival.Message,
                    Sender = arrival.Sender,
                    ControlId = arrival.ControlId,
                    RetentionDays = arrival.Route.Spec.RetentionDays,
                },
                cancellationToken);
            var outcome = receipt.Disposition switch
            {
                JournalDisposition.Appended => MllpOutcome.Appended,
                JournalDisposition.Duplicate => MllpOutcome.Duplicate,
                JournalDisposition.ControlIdReused => MllpOutcome.ControlIdReused,
                _ => MllpOutcome.OutOfSequence,
            };
            return (new MllpReceipt(outcome, receipt.ExpectedSequence), receipt.Position);
        }
        catch (JournalUnavailableException)
        {
            return (new MllpReceipt(MllpOutcome.Unavailable), null);
        }
    }

    private static void Say(Output output, Hl7Heard heard) => output.WriteLine(heard, line => line.ToLine());

    private static string Digest(string controlId) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(controlId)).AsSpan(0, 4));
}

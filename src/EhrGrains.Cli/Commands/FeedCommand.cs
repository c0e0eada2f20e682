using System.CommandLine;
using System.Globalization;
using System.Text;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Tenants;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains feed</c>: HL7 v2 messages that hospitals send us.</summary>
internal static class FeedCommand
{
    private const int QuarantinePage = 1_000;

    internal static Command Build() => new("feed", "HL7 v2 messages that hospitals send us over MLLP.")
    {
        Add(), List(), Show(), Pause(), Resume(), Replay(), Quarantine(),
    };

    /// <summary>Adds a feed to what the tenant is; a feed that is there already and differs is left alone.</summary>
    internal static async Task<TenantChange> AddAsync(Invocation run, TenantId tenant, FeedSpec feed)
    {
        var grain = (await run.ConnectAsync()).Tenant(tenant);
        var spec = (await grain.DescribeAsync(run.Stopping)).Spec;
        if (spec.Feeds.FirstOrDefault(known => known.Feed == feed.Feed) is { } there
            && TenantSpecRules.Differences(spec with { Feeds = [there] }, spec with { Feeds = [feed] }).Count > 0)
        {
            throw new ProblemException(
                ProblemKind.Conflict, "EHR-CLI-080", feed.Feed, "The tenant has a feed of this id and it differs; change it with a file and «ehrgrains apply».");
        }

        return await grain.RegisterAsync(spec with { Feeds = [.. spec.Feeds.Where(known => known.Feed != feed.Feed), feed] }, dryRun: false, run.Stopping);
    }

    /// <summary>The tenant's feeds that go one way.</summary>
    internal static async Task<FeedSpec[]> ListAsync(Invocation run, TenantId tenant, FeedDirection direction) =>
        [.. (await (await run.ConnectAsync()).Tenant(tenant).DescribeAsync(run.Stopping)).Spec.Feeds.Where(feed => feed.Direction == direction)];

    internal static IRenderable ShowQuarantine(QuarantinedMessage[] messages) => Tables.Rows(
        messages, ("position", m => m.Position), ("at", m => m.At), ("tries", m => m.Tries), ("code", m => m.Code), ("reason", m => m.Reason));

    internal static IRenderable ShowAlarms(FeedAlarm[] alarms) =>
        Tables.Rows(alarms, ("alarm", a => Words.Of(a.Kind)), ("since", a => a.Since), ("what to do", a => a.Detail));

    private static Verb Add()
    {
        var (tenant, feed) = (Parameters.Tenant(), Parameters.Feed());
        var name = Parameters.Text("--name", "NAME", "What people call it.", isRequired: true);
        var listener = Parameters.OptionalWord<FeedListener>("--listener", "The listener that its messages come in at. Default: either.");
        var certificates = Parameters.Texts("--certificate", "SHA256", "SHA-256 of a client certificate that its sender shows.");
        var sendingApplication = Parameters.Text("--sending-application", "MSH-3", "MSH-3 of its messages.");
        var sendingFacility = Parameters.Text("--sending-facility", "MSH-4", "MSH-4 of its messages.");
        var receivingApplication = Parameters.Text("--receiving-application", "MSH-5", "MSH-5 of its messages.");
        var receivingFacility = Parameters.Text("--receiving-facility", "MSH-6", "MSH-6 of its messages.");
        var forwardTo = Parameters.Texts("--forward-to", "FEED", "An outbound feed of the tenant that every message is forwarded to.");
        var silence = new Option<int?>("--silence-alarm") { Description = "Minutes without a message until there is an alarm.", HelpName = "MINUTES" };
        var poison = Parameters.Word<PoisonPolicy>("--poison", "What becomes of a message that cannot be processed.");
        return new Verb("add", "Adds an inbound feed to a tenant. For everything that can be stated use a file and «apply».")
        {
            tenant, feed, name, listener, certificates, sendingApplication, sendingFacility, receivingApplication, receivingFacility, forwardTo, silence, poison,
        }.Answers(
            run => AddAsync(run, run.Get(tenant), new FeedSpec
            {
                Feed = run.Get(feed).Value,
                DisplayName = run.Get(name),
                Inbound = new InboundFeedSpec
                {
                    Match = new FeedMatch
                    {
                        Listener = run.Get(listener),
                        CertificateSha256 = run.Get(certificates),
                        SendingApplication = run.Get(sendingApplication),
                        SendingFacility = run.Get(sendingFacility),
                        ReceivingApplication = run.Get(receivingApplication),
                        ReceivingFacility = run.Get(receivingFacility),
                    },
                    ForwardTo = run.Get(forwardTo),
                    SilenceAlarmMinutes = run.Get(silence),
                    Poison = run.Get(poison),
                },
            }),
            ApplyCommand.ShowChange);
    }

    private static Verb List()
    {
        var tenant = Parameters.Tenant();
        return new Verb("list", "Lists the tenant's inbound feeds and how they stand.") { tenant }.Answers(
            async run =>
            {
                var cluster = await run.ConnectAsync();
                var specs = await ListAsync(run, run.Get(tenant), FeedDirection.Inbound);
                return await Task.WhenAll(specs.Select(async spec =>
                    new InboundFeed(spec, await cluster.Feed(run.Get(tenant), FeedId.Parse(spec.Feed, null)).StatusAsync(run.Stopping))));
            },
            feeds => Tables.Rows(
                feeds,
                ("feed", f => f.Spec.Feed), ("name", f => f.Spec.DisplayName), ("state", f => Words.Of(f.Status.State)),
                ("position", f => f.Status.Position), ("waiting", f => f.Status.Head - f.Status.Position), ("last received", f => f.Status.LastReceivedAt),
                ("quarantine", f => f.Status.Quarantined), ("alarms", f => f.Status.Alarms.Select(alarm => Words.Of(alarm.Kind)))));
    }

    private static Verb Show()
    {
        var (tenant, feed) = (Parameters.Tenant(), Parameters.Feed());
        return new Verb("show", "Shows how an inbound feed stands: position, alarms, what came hour by hour.") { tenant, feed }.Answers(
            async run => await (await run.ConnectAsync()).Feed(run.Get(tenant), run.Get(feed)).StatusAsync(run.Stopping),
            status => new Spectre.Console.Rows(
                Tables.Facts(
                    ("state", Words.Of(status.State)), ("reason", status.Reason), ("position", status.Position), ("head of journal", status.Head),
                    ("last received", status.LastReceivedAt), ("last processed", status.LastProcessedAt), ("quarantine", status.Quarantined),
                    ("epoch", status.Epoch)),
                ShowAlarms(status.Alarms),
                Tables.Rows(
                    status.Hours,
                    ("hour", h => h.Hour), ("messages", h => h.Types.Select(type => $"{type.Name}: {type.Count};")),
                    ("leniencies", h => h.Warnings.Select(warning => $"{warning.Name}: {warning.Count};")))));
    }

    private static Verb Pause()
    {
        var (tenant, feed, reason) = (Parameters.Tenant(), Parameters.Feed(), Parameters.Reason());
        return new Verb("pause", "Stops processing. Messages are still taken into the journal and acknowledged.") { tenant, feed, reason }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Feed(run.Get(tenant), run.Get(feed)).PauseAsync(run.Get(reason), run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static Verb Resume()
    {
        var (tenant, feed) = (Parameters.Tenant(), Parameters.Feed());
        return new Verb("resume", "Goes on processing where it stopped.") { tenant, feed }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Feed(run.Get(tenant), run.Get(feed)).ResumeAsync(run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static Verb Replay()
    {
        var (tenant, feed) = (Parameters.Tenant(), Parameters.Feed());
        var position = new Option<long?>("--position") { Description = "From this journal position on.", HelpName = "N" };
        var from = new Option<DateTimeOffset?>("--from") { Description = "From what was received at this time on, for example 2026-11-23T08:00Z.", HelpName = "TIME" };
        return new Verb("replay", "Processes the journal again from a position or a time on. Effects that messages have had are not repeated.")
        {
            tenant, feed, position, from,
        }.Answers(
            async run => new Replayed(
                await (await run.ConnectAsync()).Feed(run.Get(tenant), run.Get(feed)).ReplayAsync(run.Get(position), run.Get(from), run.Stopping)),
            replayed => Tables.Facts(("from position", replayed.Position)));
    }

    private static Command Quarantine() => new("quarantine", "Messages that could not be processed.")
    {
        QuarantineList(), QuarantineShow(), QuarantineRetry(), QuarantineSkip(),
    };

    private static Verb QuarantineList()
    {
        var (tenant, feed) = (Parameters.Tenant(), Parameters.Feed());
        return new Verb("list", "Lists what was put aside, without its content.") { tenant, feed }.Answers(
            async run => await (await run.ConnectAsync()).Feed(run.Get(tenant), run.Get(feed)).QuarantineAsync(0, QuarantinePage, run.Stopping),
            ShowQuarantine);
    }

    private static Verb QuarantineShow()
    {
        var (tenant, feed, position) = (Parameters.Tenant(), Parameters.Feed(), Parameters.Position());
        return new Verb("show", "Shows a raw message: patient data. Asks for a token that may, and is on the audit trail.") { tenant, feed, position }.Answers(
            async run =>
            {
                var grain = (await run.ConnectForMessagesAsync()).Feed(run.Get(tenant), run.Get(feed));
                var messages = await grain.ReadAsync(run.Get(position) - 1, 1, run.Stopping);
                return messages.Length == 1 && messages[0].Position == run.Get(position)
                    ? new RawMessage(messages[0].Position, messages[0].At, Encoding.UTF8.GetString(messages[0].Message))
                    : throw new ProblemException(
                        ProblemKind.NotFound, "EHR-CLI-081", run.Get(position).ToString(CultureInfo.InvariantCulture), "Neither journal nor quarantine has this message.");
            },
            message => new Spectre.Console.Rows(message.Message.Split('\r').Select(line => new Spectre.Console.Text(Printable(line)))));
    }

    private static Verb QuarantineRetry()
    {
        var (tenant, feed, position) = (Parameters.Tenant(), Parameters.Feed(), Parameters.Position());
        return new Verb("retry", "Processes a message that was put aside, or that the feed stands in front of. Exit code 3: it still cannot be.")
        {
            tenant, feed, position,
        }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Feed(run.Get(tenant), run.Get(feed)).RetryAsync(run.Get(position), run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static Verb QuarantineSkip()
    {
        var (tenant, feed, position, reason) = (Parameters.Tenant(), Parameters.Feed(), Parameters.Position(), Parameters.Reason());
        return new Verb("skip", "Gives such a message up. Its bytes stay in the journal as long as those of others.") { tenant, feed, position, reason }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Feed(run.Get(tenant), run.Get(feed)).SkipAsync(run.Get(position), run.Get(reason), run.Stopping);
            return ExitCode.Ok;
        });
    }

    // What a message holds must not drive the operator's terminal.
    private static string Printable(string line) => string.Concat(line.Select(c => char.IsControl(c) ? '·' : c));
}

/// <summary>An inbound feed and how it stands.</summary>
internal sealed record InboundFeed(FeedSpec Spec, FeedStatus Status);

/// <summary>From which position on is processed again.</summary>
internal sealed record Replayed(long Position);

/// <summary>A raw message, its bytes read as UTF-8.</summary>
internal sealed record RawMessage(long Position, DateTimeOffset At, string Message);

using System.CommandLine;
using System.Security.Cryptography;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains outbound</c>: HL7 v2 messages that we send to hospitals.</summary>
internal static class OutboundCommand
{
    private const int QuarantinePage = 1_000;
    private const int PemBytesMax = 65_536;
    private const int MessageBytesMax = 16 * 1024 * 1024;

    internal static Command Build() => new("outbound", "HL7 v2 messages that we send to hospitals over MLLP.")
    {
        Add(), List(), Show(), Send(), Pause(), Resume(), Quarantine(), Retry(), Skip(), Certificate(),
    };

    private static Verb Add()
    {
        var (tenant, feed) = (Parameters.Tenant(), Parameters.Feed());
        var name = Parameters.Text("--name", "NAME", "What people call it.", isRequired: true);
        var host = Parameters.Text("--host", "HOST", "Host name or IP address of the receiver.", isRequired: true);
        var port = new Option<int>("--port") { Description = "Its TCP port.", HelpName = "PORT", Required = true };
        var plain = new Option<bool>("--plain") { Description = "Without TLS: only inside a private network that the tenant names." };
        var refused = Parameters.Word<RefusedPolicy>("--refused", "What becomes of a message that the receiver refuses for good.");
        return new Verb("add", "Adds an outbound feed to a tenant. For everything that can be stated use a file and «apply».")
        {
            tenant, feed, name, host, port, plain, refused,
        }.Answers(
            run => FeedCommand.AddAsync(run, run.Get(tenant), new FeedSpec
            {
                Feed = run.Get(feed).Value,
                DisplayName = run.Get(name),
                Outbound = new OutboundFeedSpec { Host = run.Get(host), Port = run.Get(port), Tls = !run.Get(plain), Refused = run.Get(refused) },
            }),
            ApplyCommand.ShowChange);
    }

    private static Verb List()
    {
        var tenant = Parameters.Tenant();
        return new Verb("list", "Lists the tenant's outbound feeds and how they stand.") { tenant }.Answers(
            async run =>
            {
                var cluster = await run.ConnectAsync();
                var specs = await FeedCommand.ListAsync(run, run.Get(tenant), FeedDirection.Outbound);
                return await Task.WhenAll(specs.Select(async spec =>
                    new OutboundFeed(spec, await cluster.Outbound(run.Get(tenant), FeedId.Parse(spec.Feed, null)).StatusAsync(run.Stopping))));
            },
            feeds => Tables.Rows(
                feeds,
                ("feed", f => f.Spec.Feed), ("name", f => f.Spec.DisplayName), ("to", f => $"{f.Spec.Outbound!.Host}:{f.Spec.Outbound.Port}"),
                ("state", f => Words.Of(f.Status.State)), ("waiting", f => f.Status.Queued), ("last delivered", f => f.Status.LastDeliveredAt),
                ("quarantine", f => f.Status.Quarantined), ("alarms", f => f.Status.Alarms.Select(alarm => Words.Of(alarm.Kind)))));
    }

    private static Verb Show()
    {
        var (tenant, feed) = (Parameters.Tenant(), Parameters.Feed());
        return new Verb("show", "Shows how an outbound feed stands: queue, connection, circuit, alarms, certificate.") { tenant, feed }.Answers(
            async run => await (await run.ConnectAsync()).Outbound(run.Get(tenant), run.Get(feed)).StatusAsync(run.Stopping),
            status => new Spectre.Console.Rows(
                Tables.Facts(
                    ("state", Words.Of(status.State)), ("reason", status.Reason), ("waiting", status.Queued), ("oldest since", status.OldestQueuedAt),
                    ("under way", status.Outstanding), ("connected", status.Connected), ("last delivered", status.LastDeliveredAt),
                    ("failures in a row", status.Failures), ("next try", status.NextTryAt), ("last failure", status.LastFailure?.Message),
                    ("quarantine", status.Quarantined), ("certificate", status.Certificate?.Sha256), ("certificate ends", status.Certificate?.NotAfter),
                    ("epoch", status.Epoch)),
                FeedCommand.ShowAlarms(status.Alarms)));
    }

    private static Verb Send()
    {
        var (tenant, feed) = (Parameters.Tenant(), Parameters.Feed());
        var files = new Argument<string[]>("FILE") { Description = "Files with one message each.", Arity = ArgumentArity.OneOrMore };
        return new Verb("send", "Puts messages into the queue; done when they are on disk. A file that was given before is not queued again.")
        {
            tenant, feed, files,
        }.Answers(
            async run =>
            {
                var messages = await Task.WhenAll(run.Get(files).Select(async file =>
                {
                    var bytes = await ReadAsync(file, MessageBytesMax, run.Stopping);
                    return new OutboundMessage($"cli/{Convert.ToHexStringLower(SHA256.HashData(bytes))}", bytes);
                }));
                await (await run.ConnectForMessagesAsync()).Outbound(run.Get(tenant), run.Get(feed)).EnqueueAsync(messages, run.Stopping);
                return new Queued(messages.Length);
            },
            queued => Tables.Facts(("queued", queued.Messages)));
    }

    private static Verb Pause()
    {
        var (tenant, feed, reason) = (Parameters.Tenant(), Parameters.Feed(), Parameters.Reason());
        return new Verb("pause", "Stops sending. What is to be sent waits in the queue.") { tenant, feed, reason }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Outbound(run.Get(tenant), run.Get(feed)).PauseAsync(run.Get(reason), run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static Verb Resume()
    {
        var (tenant, feed) = (Parameters.Tenant(), Parameters.Feed());
        return new Verb("resume", "Goes on sending, at once; also after it gave up.") { tenant, feed }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Outbound(run.Get(tenant), run.Get(feed)).ResumeAsync(run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static Verb Quarantine()
    {
        var (tenant, feed) = (Parameters.Tenant(), Parameters.Feed());
        return new Verb("quarantine", "Lists the messages that the receiver refuses, without their content.") { tenant, feed }.Answers(
            async run => await (await run.ConnectAsync()).Outbound(run.Get(tenant), run.Get(feed)).QuarantineAsync(0, QuarantinePage, run.Stopping),
            FeedCommand.ShowQuarantine);
    }

    private static Verb Retry()
    {
        var (tenant, feed, position) = (Parameters.Tenant(), Parameters.Feed(), Parameters.Position());
        return new Verb("retry", "Sends a message that was refused once more.") { tenant, feed, position }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Outbound(run.Get(tenant), run.Get(feed)).RetryAsync(run.Get(position), run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static Verb Skip()
    {
        var (tenant, feed, position, reason) = (Parameters.Tenant(), Parameters.Feed(), Parameters.Position(), Parameters.Reason());
        return new Verb("skip", "Gives a message that was refused up.") { tenant, feed, position, reason }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Outbound(run.Get(tenant), run.Get(feed)).SkipAsync(run.Get(position), run.Get(reason), run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static Verb Certificate()
    {
        var (tenant, feed) = (Parameters.Tenant(), Parameters.Feed());
        var file = Parameters.Text("--file", "FILE", "PEM file with the certificate and its private key. Default: none is shown any more.");
        return new Verb("certificate", "Sets the TLS client certificate that we show to the receiver; its key is sealed under the tenant's key.")
        {
            tenant, feed, file,
        }.Runs(async run =>
        {
            SecretText? pem = run.Get(file) is { } path ? new SecretText(System.Text.Encoding.UTF8.GetString(await ReadAsync(path, PemBytesMax, run.Stopping))) : null;
            var facts = await (await run.ConnectAsync()).Outbound(run.Get(tenant), run.Get(feed)).SetClientCertificateAsync(pem, run.Stopping);
            run.Output.Note(facts is null ? "No client certificate is shown." : $"Certificate {facts.Sha256} is shown from the next connection on; it ends {facts.NotAfter:u}.");
            return ExitCode.Ok;
        });
    }

    private static async Task<byte[]> ReadAsync(string file, int bytesMax, CancellationToken cancellationToken) =>
        new FileInfo(file) is { Exists: true } info
            ? info.Length is > 0 && info.Length <= bytesMax
                ? await File.ReadAllBytesAsync(file, cancellationToken)
                : throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-082", file, $"Must have 1 to {bytesMax} bytes.")
            : throw new ProblemException(ProblemKind.NotFound, "EHR-CLI-083", file, "There is no such file.");
}

/// <summary>An outbound feed and how it stands.</summary>
internal sealed record OutboundFeed(FeedSpec Spec, OutboundStatus Status);

/// <summary>How many messages wait now that did not before, or were known.</summary>
internal sealed record Queued(int Messages);

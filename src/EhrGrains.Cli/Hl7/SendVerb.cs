using System.CommandLine;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Cli.Commands;
using EhrGrains.Cli.Results;
using EhrGrains.Connect;
using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Hl7v2.Messages;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Cli.Hl7;

/// <summary>What became of a message that was sent: the receiver's answer, never a value of the message.</summary>
internal sealed record Hl7Sent(
    string File, int Index, int Bytes, MllpSendOutcome? Outcome, string? Code, string? ErrorCode, double Milliseconds, string? Fault)
{
    internal string ToLine()
    {
        var answer = Fault ?? $"{Words.Of(Outcome!.Value)}{(Code is null ? "" : $" {Code}")}{(ErrorCode is null ? "" : $" ({ErrorCode})")}";
        var where = Index > 1 ? $"{File} [{Index}]" : File;
        return string.Create(CultureInfo.InvariantCulture, $"{answer} {where} {Bytes} bytes {Milliseconds:F1} ms");
    }
}

/// <summary><c>ehrgrains hl7 send</c>: the sender of outbound feeds, for files.</summary>
internal static class SendVerb
{
    private const int OutstandingMax = 4_096;

    // Whom to send to is the word of who types the command; a tenant's rules are for what runs by itself.
    private static readonly string[] Anywhere = ["0.0.0.0/0", "::/0"];

    private static readonly Argument<string> To = new("HOST:PORT") { Description = "The receiver." };
    private static readonly Argument<string[]> Files = Hl7Files.Argument();
    private static readonly Option<bool> Tls = new("--tls") { Description = "Use TLS." };
    private static readonly Option<string?> Trust = TlsFiles.Option("--trust", "The receiver's authorities, PEM; else the machine's.");
    private static readonly Option<string?> Certificate = TlsFiles.Option("--certificate", "Our certificate, PEM.");
    private static readonly Option<string?> Key = TlsFiles.Option("--key", "Its private key, PEM.");

    private static readonly Option<int> Outstanding = new("--outstanding")
    {
        Description = "Messages sent and not yet acknowledged at one time.",
        HelpName = "COUNT",
        DefaultValueFactory = _ => 1,
    };

    internal static Verb Build() => new Verb(
        "send",
        "Sends messages over MLLP, each in a frame of its own, and waits for their acknowledgements. Exit code 3: not all were accepted.")
    {
        To, Files, Outstanding, Tls, Trust, Certificate, Key,
    }.Streams<Hl7Sent>(RunAsync);

    private static async Task<ExitCode> RunAsync(Invocation run)
    {
        var destination = Destination(run);
        var names = Hl7Files.Find(run.Get(Files));
        using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var metrics = new ConnectMetrics(services.GetRequiredService<IMeterFactory>());
        await using var connection = await ConnectAsync(destination, metrics, run.Stopping);
        var underWay = new Queue<Task<Hl7Sent>>();
        int total = 0, accepted = 0;
        foreach (var found in Hl7Files.Read(names, Hl7ReadOptions.Tolerant, run.Stopping))
        {
            // The bytes may be a view that the next file replaces.
            underWay.Enqueue(SendAsync(connection, found.File, found.Index, found.Bytes.ToArray(), run.Stopping));
            if (underWay.Count >= destination.Feed.OutstandingMax)
            {
                await ReportAsync();
            }
        }

        while (underWay.Count > 0)
        {
            await ReportAsync();
        }

        run.Output.WriteTotal($"{accepted} of {total} messages accepted, in {names.Count} files.");
        return accepted == total ? ExitCode.Ok : ExitCode.CheckFailed;

        async Task ReportAsync()
        {
            var sent = await underWay.Dequeue();
            total++;
            accepted += sent.Outcome == MllpSendOutcome.Accepted ? 1 : 0;
            run.Output.WriteLine(sent, line => line.ToLine());
        }
    }

    private static async Task<Hl7Sent> SendAsync(
        MllpClientConnection connection, string file, int index, byte[] message, CancellationToken cancellationToken)
    {
        var start = TimeProvider.System.GetTimestamp();
        try
        {
            var result = await connection.SendAsync(message, cancellationToken);
            var took = TimeProvider.System.GetElapsedTime(start).TotalMilliseconds;
            return new Hl7Sent(file, index, message.Length, result.Outcome, result.Code, result.ErrorCode, Math.Round(took, 3), null);
        }
        catch (ArgumentException e)
        {
            return new Hl7Sent(file, index, message.Length, null, null, null, 0, $"not sent: {e.Message.Split(" (Parameter")[0]}");
        }
    }

    private static async Task<MllpClientConnection> ConnectAsync(
        MllpDestination destination, ConnectMetrics metrics, CancellationToken cancellationToken)
    {
        try
        {
            return await MllpClientConnection.ConnectAsync(destination, TimeProvider.System, metrics, cancellationToken);
        }
        catch (Exception e) when (e is EgressRefusedException or HttpRequestException or AuthenticationException or SocketException)
        {
            var path = $"{destination.Feed.Host}:{destination.Feed.Port}";
            throw new ProblemException(ProblemKind.Unavailable, "EHR-HL7-010", path, $"Not connected: {e.Message}");
        }
    }

    private static MllpDestination Destination(Invocation run)
    {
        var to = run.Get(To);
        var colon = to.LastIndexOf(':');
        if (colon < 1
            || !int.TryParse(to[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            || port is < 1 or > 65_535)
        {
            throw new ProblemException(
                ProblemKind.Invalid, "EHR-HL7-011", "HOST:PORT", "Name the receiver, for example localhost:2575 or [::1]:2575.");
        }

        if (run.Get(Outstanding) is < 1 or > OutstandingMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-HL7-012", "--outstanding", $"Is a number from 1 to {OutstandingMax}.");
        }

        var feed = new OutboundFeedSpec
        {
            Host = to[..colon].Trim('[', ']'),
            Port = port,
            Tls = run.Get(Tls),
            TrustedCertificates = run.Get(Trust) is { } trust ? File.ReadAllText(trust) : null,
            OutstandingMax = run.Get(Outstanding),
        };
        var own = run.Get(Certificate) is { } certificate ? X509Certificate2.CreateFromPemFile(certificate, run.Get(Key)) : null;
        return new MllpDestination(feed, Anywhere, own);
    }
}

/// <summary>Options that name PEM files.</summary>
internal static class TlsFiles
{
    internal static Option<string?> Option(string name, string description) => new(name) { Description = description, HelpName = "FILE" };
}

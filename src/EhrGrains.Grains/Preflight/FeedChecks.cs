using System.Globalization;
using System.Security.Authentication;
using System.Text;
using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Mllp;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Preflight;

namespace EhrGrains.Grains.Preflight;

/// <summary>The HL7 v2 feeds: how they stand, whether messages came, whether receivers take a connection.</summary>
internal static class FeedChecks
{
    private static readonly TimeSpan Recent = TimeSpan.FromHours(24);
    private static readonly TimeSpan CertificateWarning = TimeSpan.FromDays(30);
    private static readonly TimeSpan EchoPatience = TimeSpan.FromSeconds(30);

    internal static async Task RunAsync(PreflightRun run)
    {
        if (run.Site.Spec.Feeds.Length == 0)
        {
            run.SkipAll(
                "The tenant has no feeds.", Check.FeedState, Check.FeedAlarms, Check.FeedSeen, Check.FeedRoute, Check.FeedConnects, Check.FeedEcho, Check.FeedCertificate);
        }

        foreach (var feed in run.Site.Spec.Feeds)
        {
            var key = GrainKeys.Feed(run.Site.Tenant, FeedId.Parse(feed.Feed, null));
            if (feed.Inbound is { } inbound)
            {
                await CheckInboundAsync(run, feed.Feed, inbound, run.Tools.Grains.GetGrain<IMllpConnectionGrain>(key));
            }
            else if (feed.Outbound is { } outbound)
            {
                await CheckOutboundAsync(run, feed.Feed, outbound, run.Tools.Grains.GetGrain<IMllpSenderGrain>(key));
            }
        }
    }

    private static async Task CheckInboundAsync(PreflightRun run, string feed, InboundFeedSpec spec, IMllpConnectionGrain grain)
    {
        var status = await grain.StatusAsync(run.Deadline);
        Stands(run, feed, status.State, status.Reason, status.Alarms, "feed");
        var age = run.Tools.Time.GetUtcNow() - status.LastReceivedAt;
        run.Judge(
            Check.FeedSeen, age < Recent,
            age is { } since ? string.Create(CultureInfo.InvariantCulture, $"The last message came {since.TotalHours:0.#} h ago.") : "No message ever came.",
            "Have the interface engine send to this cluster: host, port and the MSH fields or certificate of feed.route.", PreflightState.Warning, feed);
        var match = spec.Match;
        string[] known =
        [
            .. match.CertificateSha256.Length > 0 ? [$"{match.CertificateSha256.Length} client certificates"] : Array.Empty<string>(),
            .. new[] { ("MSH-3", match.SendingApplication), ("MSH-4", match.SendingFacility), ("MSH-5", match.ReceivingApplication), ("MSH-6", match.ReceivingFacility) }
                .Where(static field => field.Item2 is not null).Select(static field => $"{field.Item1} {field.Item2}"),
        ];
        run.Judge(
            Check.FeedRoute, match.Listener == FeedListener.Tls || match.CertificateSha256.Length > 0 || run.Site.Connection.PrivateNetworks.Length > 0,
            $"Listener: {match.Listener?.ToString().ToLowerInvariant() ?? "either"}; known by {(known.Length == 0 ? "the listener alone" : string.Join(", ", known))}.",
            "Messages may come in plain over a public network: state listener tls and the sender's certificate, or the private network of the tunnel.", PreflightState.Warning, feed);
    }

    private static async Task CheckOutboundAsync(PreflightRun run, string feed, OutboundFeedSpec spec, IMllpSenderGrain grain)
    {
        var status = await grain.StatusAsync(run.Deadline);
        Stands(run, feed, status.State, status.Reason, status.Alarms, "outbound");
        if (status.Certificate is { } certificate)
        {
            var left = certificate.NotAfter - run.Tools.Time.GetUtcNow();
            run.Judge(
                Check.FeedCertificate, left > CertificateWarning, string.Create(CultureInfo.InvariantCulture, $"Our client certificate ends on {certificate.NotAfter.UtcDateTime:yyyy-MM-dd}."),
                "Set a new one: «ehrgrains outbound certificate».", left > TimeSpan.Zero ? PreflightState.Warning : PreflightState.Failed, feed);
        }
        else
        {
            run.Skip(Check.FeedCertificate, "We show no client certificate.", feed);
        }

        if (run.Halt is { } halt && !run.Site.IsOpen)
        {
            run.Skip(Check.FeedConnects, halt, feed);
            run.Skip(Check.FeedEcho, halt, feed);
        }
        else if (status.Connected)
        {
            // Many receivers take one connection only, and the sender has it.
            run.Pass(Check.FeedConnects, "The feed's own connection is open.", feed);
            run.Skip(Check.FeedEcho, "The feed's own connection is open; what it sends is acknowledged there.", feed);
        }
        else if (status.Certificate is not null)
        {
            run.Skip(Check.FeedConnects, "The receiver asks for our certificate, which only the feed itself opens: see feed.state.", feed);
            run.Skip(Check.FeedEcho, "See feed.connects.", feed);
        }
        else
        {
            await ConnectAsync(run, feed, spec);
        }
    }

    private static void Stands(PreflightRun run, string feed, FeedState state, string? reason, FeedAlarm[] alarms, string command)
    {
        run.Judge(
            Check.FeedState, state == FeedState.Running, $"It is {state.ToString().ToLowerInvariant()}{(reason is null ? "" : $": {reason}")}.",
            $"Look at it: «ehrgrains {command} status», and resume it.", state == FeedState.Paused ? PreflightState.Warning : PreflightState.Failed, feed);
        run.Judge(
            Check.FeedAlarms, alarms.Length == 0, alarms.Length == 0 ? "No alarm holds." : string.Join(" ", alarms.Select(static alarm => $"{alarm.Kind}: {alarm.Detail}")),
            "See to the alarms before the site goes live.", PreflightState.Warning, feed);
    }

    private static async Task ConnectAsync(PreflightRun run, string feed, OutboundFeedSpec spec)
    {
        try
        {
            var patient = spec with { AcknowledgementTimeoutSeconds = Math.Min(spec.AcknowledgementTimeoutSeconds, (int)EchoPatience.TotalSeconds) };
            await using var connection = await MllpClientConnection.ConnectAsync(
                new MllpDestination(patient, run.Site.Connection.PrivateNetworks), run.Tools.Time, run.Tools.ConnectMetrics, run.Deadline);
            run.Pass(Check.FeedConnects, $"{spec.Host}:{spec.Port} takes the connection{(spec.Tls ? " with TLS" : "")}.", feed);
            await EchoAsync(run, feed, connection);
        }
        catch (Exception e) when (e is EgressRefusedException or HttpRequestException or AuthenticationException or IOException)
        {
            run.Fail(
                Check.FeedConnects, e is EgressRefusedException ? e.Message : $"{spec.Host}:{spec.Port} does not take the connection ({e.GetType().Name}).",
                e is AuthenticationException ? "Use a certificate of a public authority, or state the receiver's in trustedCertificates of the feed." : "Open the firewall and start the listener; check host and port.", feed);
            run.Skip(Check.FeedEcho, "There is no connection.", feed);
        }
    }

    private static async Task EchoAsync(PreflightRun run, string feed, MllpClientConnection connection)
    {
        if (!run.Site.Request.Send)
        {
            run.Skip(Check.FeedEcho, "Nothing is sent without --send.", feed);
            return;
        }

        // Application management, which is about no patient (HL7 v2.5.1 §14.3.1).
        var now = run.Tools.Time.GetUtcNow();
        var message = string.Create(
            CultureInfo.InvariantCulture, $"MSH|^~\\&|EHRGRAINS|PREFLIGHT|||{now.UtcDateTime:yyyyMMddHHmmss}+0000||NMD^N02^NMD_N02|PRE{now.UtcTicks}|T|2.5.1\rNCK|{now.UtcDateTime:yyyyMMddHHmmss}+0000\r");
        var result = await connection.SendAsync(Encoding.ASCII.GetBytes(message), run.Deadline);
        run.Judge(
            Check.FeedEcho, result.Code is not null, result.Code is { } code ? $"Acknowledged with {code}." : result.Outcome == MllpSendOutcome.NoAnswer ? "No acknowledgement came in time." : "The connection was closed before an acknowledgement.",
            "Let the listener acknowledge every message, also one that it does not take (AE, AR).", target: feed);
    }
}

using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Feeds;

/// <summary>
/// What is wrong with the feeds of a tenant, and what differs between two lists of them: the part of <see cref="TenantSpecRules"/>
/// that is about feeds. Whether a feed's match collides with another tenant's is known to the grain alone.
/// </summary>
internal static class FeedSpecRules
{
    internal const int FeedsMax = 100;
    private const int ForwardsMax = 16;
    private const int CertificatesMax = 16;
    private const int NameLengthMax = 200;

    internal static void Check(List<Problem> problems, FeedSpec[] feeds)
    {
        if (feeds.Length > FeedsMax)
        {
            problems.Add(new("EHR-FED-001", "feeds", "At most 100 feeds."));
            return;
        }

        var ids = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < feeds.Length; i++)
        {
            var path = $"feeds[{i}]";
            var feed = feeds[i];
            if (!FeedId.TryParse(feed.Feed, out _))
            {
                problems.Add(new("EHR-FED-002", $"{path}.feed", "A feed id has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter."));
            }
            else if (!ids.Add(feed.Feed))
            {
                problems.Add(new("EHR-FED-003", $"{path}.feed", "Another feed of the tenant has this id."));
            }

            if (!TenantSpecRules.IsPlainText(feed.DisplayName, NameLengthMax))
            {
                problems.Add(new("EHR-FED-004", $"{path}.displayName", "Give the feed a name: 1 to 200 characters, no control characters."));
            }

            if (feed.Inbound is null == feed.Outbound is null)
            {
                problems.Add(new("EHR-FED-005", path, "State either inbound (the hospital sends) or outbound (we send)."));
            }
            else if (feed.Inbound is { } inbound)
            {
                CheckInbound(problems, $"{path}.inbound", inbound, feeds);
            }
            else
            {
                CheckOutbound(problems, $"{path}.outbound", feed.Outbound!);
            }
        }
    }

    private static void CheckInbound(List<Problem> problems, string path, InboundFeedSpec inbound, FeedSpec[] feeds)
    {
        CheckMatch(problems, $"{path}.match", inbound.Match);
        CheckWord(problems, $"{path}.whenUnavailable", inbound.WhenUnavailable);
        CheckWord(problems, $"{path}.poison", inbound.Poison);
        CheckRange(problems, $"{path}.triesMax", inbound.TriesMax, 1, 20);
        CheckRange(problems, $"{path}.silenceAlarmMinutes", inbound.SilenceAlarmMinutes ?? 1, 1, 10_080);
        CheckRange(problems, $"{path}.retentionDays", inbound.RetentionDays, 1, 3_650);
        var targets = inbound.ForwardTo ?? [];
        if (targets.Length > ForwardsMax)
        {
            problems.Add(new("EHR-FED-020", $"{path}.forwardTo", "A feed is forwarded to at most 16 others."));
            return;
        }

        for (var i = 0; i < targets.Length; i++)
        {
            if (!feeds.Any(feed => feed.Feed == targets[i] && feed.Outbound is not null))
            {
                problems.Add(new("EHR-FED-021", $"{path}.forwardTo[{i}]", "Name an outbound feed of this tenant."));
            }
            else if (Array.IndexOf(targets, targets[i]) < i)
            {
                problems.Add(new("EHR-FED-022", $"{path}.forwardTo[{i}]", "The feed is named already."));
            }
        }
    }

    private static void CheckMatch(List<Problem> problems, string path, FeedMatch? match)
    {
        string?[] parts =
            [match?.SendingApplication, match?.SendingFacility, match?.ReceivingApplication, match?.ReceivingFacility];
        string[] names = ["sendingApplication", "sendingFacility", "receivingApplication", "receivingFacility"];
        var certificates = match?.CertificateSha256 ?? [];
        if (match is null || (match.Listener is null && certificates.Length == 0 && parts.All(part => part is null)))
        {
            problems.Add(new(
                "EHR-FED-010", path,
                "State how this feed's messages are known: listener, certificateSha256, sendingApplication, sendingFacility, receivingApplication or receivingFacility."));
            return;
        }

        for (var i = 0; i < parts.Length; i++)
        {
            if (parts[i] is not null && !TenantSpecRules.IsPlainText(parts[i], NameLengthMax))
            {
                problems.Add(new("EHR-FED-011", $"{path}.{names[i]}", "Write it as the sender does: 1 to 200 characters, no control characters."));
            }
        }

        if (match.Listener is { } listener && !Enum.IsDefined(listener))
        {
            problems.Add(new("EHR-FED-012", $"{path}.listener", "The listener is plain or tls."));
        }

        if (certificates.Length > CertificatesMax)
        {
            problems.Add(new("EHR-FED-013", $"{path}.certificateSha256", "At most 16 certificates."));
        }
        else if (certificates.Length > 0 && match.Listener == FeedListener.Plain)
        {
            problems.Add(new("EHR-FED-014", $"{path}.listener", "A client certificate is only seen at the tls listener."));
        }

        for (var i = 0; i < Math.Min(certificates.Length, CertificatesMax); i++)
        {
            if (certificates[i] is not { Length: 64 } digits || !digits.All(char.IsAsciiHexDigit))
            {
                problems.Add(new(
                    "EHR-FED-015", $"{path}.certificateSha256[{i}]",
                    "Write the SHA-256 of the certificate (DER) as 64 hexadecimal digits: openssl x509 -noout -fingerprint -sha256, without the colons."));
            }
        }
    }

    private static void CheckOutbound(List<Problem> problems, string path, OutboundFeedSpec outbound)
    {
        if (outbound.Host is not { Length: >= 1 and <= 253 } || Uri.CheckHostName(outbound.Host) == UriHostNameType.Unknown)
        {
            problems.Add(new("EHR-FED-030", $"{path}.host", "Give the receiver's host name or IP address."));
        }

        CheckRange(problems, $"{path}.port", outbound.Port, 1, 65_535);
        CheckRange(problems, $"{path}.outstandingMax", outbound.OutstandingMax, 1, 64);
        CheckRange(problems, $"{path}.acknowledgementTimeoutSeconds", outbound.AcknowledgementTimeoutSeconds, 1, 600);
        CheckRange(problems, $"{path}.giveUpAfterHours", outbound.GiveUpAfterHours, 1, 720);
        CheckRange(problems, $"{path}.triesMax", outbound.TriesMax, 1, 1_000);
        CheckWord(problems, $"{path}.refused", outbound.Refused);
        TenantSpecRules.AddCertificates(problems, $"{path}.trustedCertificates", outbound.TrustedCertificates);
        if (!outbound.Tls && outbound.TrustedCertificates is not null)
        {
            problems.Add(new("EHR-FED-031", $"{path}.trustedCertificates", "Certificates are only looked at with tls: true."));
        }
    }

    private static void CheckRange(List<Problem> problems, string path, int value, int min, int max)
    {
        if (value < min || value > max)
        {
            problems.Add(new(
                "EHR-FED-040", path, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"Out of range: {min:N0} to {max:N0}.")));
        }
    }

    private static void CheckWord<TEnum>(List<Problem> problems, string path, TEnum value)
        where TEnum : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            problems.Add(new("EHR-FED-041", path, $"Must be one of: {string.Join(", ", Enum.GetNames<TEnum>()).ToLowerInvariant()}."));
        }
    }

    /// <summary>Every setting of the feeds by path, the feeds by their id: what a comparison of two tenants compares.</summary>
    internal static void Flatten(Dictionary<string, string?> values, FeedSpec[] feeds)
    {
        foreach (var feed in feeds)
        {
            var path = $"feeds.{feed.Feed}";
            values[$"{path}.displayName"] = feed.DisplayName;
            if (feed.Inbound is { } inbound)
            {
                var match = inbound.Match;
                values[$"{path}.inbound.match.listener"] = match.Listener?.ToString();
                values[$"{path}.inbound.match.certificateSha256"] = List(match.CertificateSha256);
                values[$"{path}.inbound.match.sendingApplication"] = match.SendingApplication;
                values[$"{path}.inbound.match.sendingFacility"] = match.SendingFacility;
                values[$"{path}.inbound.match.receivingApplication"] = match.ReceivingApplication;
                values[$"{path}.inbound.match.receivingFacility"] = match.ReceivingFacility;
                values[$"{path}.inbound.whenUnavailable"] = inbound.WhenUnavailable.ToString();
                values[$"{path}.inbound.poison"] = inbound.Poison.ToString();
                values[$"{path}.inbound.triesMax"] = TenantSpecRules.Text(inbound.TriesMax);
                values[$"{path}.inbound.silenceAlarmMinutes"] = inbound.SilenceAlarmMinutes is { } minutes ? TenantSpecRules.Text(minutes) : null;
                values[$"{path}.inbound.retentionDays"] = TenantSpecRules.Text(inbound.RetentionDays);
                values[$"{path}.inbound.sequenceNumbers"] = inbound.SequenceNumbers ? "true" : null;
                values[$"{path}.inbound.commitBytes"] = inbound.CommitBytes ? "true" : null;
                values[$"{path}.inbound.forwardTo"] = List(inbound.ForwardTo);
            }

            if (feed.Outbound is { } outbound)
            {
                values[$"{path}.outbound.host"] = outbound.Host;
                values[$"{path}.outbound.port"] = TenantSpecRules.Text(outbound.Port);
                values[$"{path}.outbound.tls"] = outbound.Tls ? "true" : "false";
                values[$"{path}.outbound.trustedCertificates"] = TenantSpecRules.Fingerprint(outbound.TrustedCertificates);
                values[$"{path}.outbound.outstandingMax"] = TenantSpecRules.Text(outbound.OutstandingMax);
                values[$"{path}.outbound.acknowledgementTimeoutSeconds"] = TenantSpecRules.Text(outbound.AcknowledgementTimeoutSeconds);
                values[$"{path}.outbound.giveUpAfterHours"] = TenantSpecRules.Text(outbound.GiveUpAfterHours);
                values[$"{path}.outbound.triesMax"] = TenantSpecRules.Text(outbound.TriesMax);
                values[$"{path}.outbound.refused"] = outbound.Refused.ToString();
            }
        }
    }

    private static string? List(string[] items) => items.Length == 0 ? null : string.Join(' ', items);
}

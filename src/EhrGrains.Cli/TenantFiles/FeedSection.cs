using EhrGrains.Contracts.Feeds;

namespace EhrGrains.Cli.TenantFiles;

/// <summary>Reads one item of the list <c>feeds</c> of a tenant file.</summary>
internal static class FeedSection
{
    internal static FeedSpec Read(YamlSection section)
    {
        var inbound = section.Section("inbound");
        var outbound = section.Section("outbound");
        var feed = new FeedSpec
        {
            Feed = section.RequiredText("feed"),
            DisplayName = section.RequiredText("displayName"),
            Inbound = inbound.IsStated ? ReadInbound(inbound) : null,
            Outbound = outbound.IsStated ? ReadOutbound(outbound) : null,
        };
        section.RefuseUnknown();
        return feed;
    }

    private static InboundFeedSpec ReadInbound(YamlSection section)
    {
        var match = section.Section("match");
        var defaults = new InboundFeedSpec { Match = new FeedMatch() };
        var inbound = defaults with
        {
            Match = new FeedMatch
            {
                Listener = match.OptionalWord<FeedListener>("listener"),
                CertificateSha256 = match.Texts("certificateSha256"),
                SendingApplication = match.Text("sendingApplication"),
                SendingFacility = match.Text("sendingFacility"),
                ReceivingApplication = match.Text("receivingApplication"),
                ReceivingFacility = match.Text("receivingFacility"),
            },
            WhenUnavailable = section.Word("whenUnavailable", defaults.WhenUnavailable),
            Poison = section.Word("poison", defaults.Poison),
            TriesMax = section.Number("triesMax") ?? defaults.TriesMax,
            SilenceAlarmMinutes = section.Number("silenceAlarmMinutes"),
            RetentionDays = section.Number("retentionDays") ?? defaults.RetentionDays,
            SequenceNumbers = section.Flag("sequenceNumbers", defaults.SequenceNumbers),
            CommitBytes = section.Flag("commitBytes", defaults.CommitBytes),
            ForwardTo = section.Texts("forwardTo"),
        };
        match.RefuseUnknown();
        section.RefuseUnknown();
        return inbound;
    }

    private static OutboundFeedSpec ReadOutbound(YamlSection section)
    {
        var defaults = new OutboundFeedSpec { Host = "", Port = 0 };
        var outbound = defaults with
        {
            Host = section.RequiredText("host"),
            Port = section.Number("port") ?? 0,
            Tls = section.Flag("tls", defaults.Tls),
            TrustedCertificates = section.Text("trustedCertificates"),
            OutstandingMax = section.Number("outstandingMax") ?? defaults.OutstandingMax,
            AcknowledgementTimeoutSeconds = section.Number("acknowledgementTimeoutSeconds") ?? defaults.AcknowledgementTimeoutSeconds,
            GiveUpAfterHours = section.Number("giveUpAfterHours") ?? defaults.GiveUpAfterHours,
            TriesMax = section.Number("triesMax") ?? defaults.TriesMax,
            Refused = section.Word("refused", defaults.Refused),
        };
        section.RefuseUnknown();
        return outbound;
    }

    private static int? Number(this YamlSection section, string key) => (int?)section.Number(key, int.MaxValue);
}

using EhrGrains.Contracts.Sync;

namespace EhrGrains.Cli.TenantFiles;

/// <summary>Reads the section <c>sync</c> of a tenant file.</summary>
internal static class SyncSection
{
    internal static SyncSpec Read(YamlSection section)
    {
        var defaults = new SyncSpec();
        var sync = new SyncSpec
        {
            Types = section.Texts("types"),
            FreshnessSeconds = (int?)section.Number("freshnessSeconds", int.MaxValue) ?? defaults.FreshnessSeconds,
            CrawlHours = (int?)section.Number("crawlHours", int.MaxValue) ?? defaults.CrawlHours,
            AbsencesMax = (int?)section.Number("absencesMax", int.MaxValue) ?? defaults.AbsencesMax,
            DocumentBytesMax = (int?)section.Number("documentBytesMax", int.MaxValue) ?? defaults.DocumentBytesMax,
            From = section.Text("from"),
            EnrolOn = section.Texts("enrolOn"),
            AlwaysWhole = section.Flag("alwaysWhole", defaults.AlwaysWhole),
        };
        section.RefuseUnknown();
        return sync;
    }
}

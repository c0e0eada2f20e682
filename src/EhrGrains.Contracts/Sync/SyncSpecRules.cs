using System.Globalization;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Sync;

/// <summary>
/// What is wrong with what a tenant states of its copy, and what differs between two: the part of <see cref="TenantSpecRules"/> that is
/// about sync. Whether the vendor has the types is known to the grain, which has the vendor profiles.
/// </summary>
internal static class SyncSpecRules
{
    private const int TypesMax = 64;
    private const int EventsMax = 50;

    internal static void Check(List<Problem> problems, SyncSpec sync)
    {
        if ((sync.Types ?? []).Length > TypesMax || (sync.Types ?? []).Any(type => type is not { Length: >= 1 and <= 64 } || !type.All(char.IsAsciiLetter)))
        {
            problems.Add(new("EHR-SYN-010", "sync.types", "Name at most 64 FHIR resource types, for example Observation."));
        }

        TenantSpecRules.AddRange(problems, "sync.freshnessSeconds", sync.FreshnessSeconds, 60, 2_592_000);
        TenantSpecRules.AddRange(problems, "sync.crawlHours", sync.CrawlHours, 0, 8_760);
        TenantSpecRules.AddRange(problems, "sync.absencesMax", sync.AbsencesMax, 1, 10);
        TenantSpecRules.AddRange(problems, "sync.documentBytesMax", sync.DocumentBytesMax, 0, 16_777_216);
        if (sync.From is { } from && !DateOnly.TryParseExact(from, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _))
        {
            problems.Add(new("EHR-SYN-011", "sync.from", "Write the day as yyyy-MM-dd."));
        }

        if ((sync.EnrolOn ?? []).Length > EventsMax || (sync.EnrolOn ?? []).Any(message => !IsMessage(message)))
        {
            problems.Add(new("EHR-SYN-018", "sync.enrolOn", "Name at most 50 messages by code and trigger event, for example ADT^A01 or SIU^S12."));
        }
    }

    internal static void Flatten(Dictionary<string, string?> values, SyncSpec sync)
    {
        values["sync.types"] = sync.Types.Length == 0 ? null : string.Join(' ', sync.Types);
        values["sync.freshnessSeconds"] = TenantSpecRules.Text(sync.FreshnessSeconds);
        values["sync.crawlHours"] = TenantSpecRules.Text(sync.CrawlHours);
        values["sync.absencesMax"] = TenantSpecRules.Text(sync.AbsencesMax);
        values["sync.documentBytesMax"] = TenantSpecRules.Text(sync.DocumentBytesMax);
        values["sync.from"] = sync.From;
        values["sync.alwaysWhole"] = sync.AlwaysWhole ? "true" : null;
        values["sync.enrolOn"] = sync.EnrolOn.Length == 0 ? null : string.Join(' ', sync.EnrolOn);
    }

    // HL7 v2.9 tables 0076 and 0003.
    private static bool IsMessage(string? text) =>
        text?.Split('^') is [{ Length: 3 } code, { Length: 3 } trigger] && (code + trigger).All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c));
}

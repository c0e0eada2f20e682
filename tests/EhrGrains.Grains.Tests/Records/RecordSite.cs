using System.Text;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.V2;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Records;
using EhrGrains.Storage.Journal;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Records;

/// <summary>The records of one tenant, and what a feed does to them, without the feed's grain: messages by position.</summary>
internal sealed class RecordSite(GrainCluster cluster)
{
    private static readonly V2Mapping Mapping = V2Mapping.Compile(new SiteLayer { TimeZone = "America/Chicago" });
    private static readonly DateTimeOffset ReceivedAt = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    internal TenantId Tenant { get; } = TenantId.Parse($"s{Guid.CreateVersion7():N}", null);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;


    /// <summary>What the feed's grain does with messages: step by step, with the position committed after each.</summary>
    internal async Task<MappedBatch> ApplyAsync(IReadOnlyList<JournalEntry> entries, int silo = 0, bool late = false)
    {
        var all = new MappedBatch(0, 0, [], null);
        while (all.Applied < entries.Count && all.Failure is null)
        {
            var step = await StepAsync([.. entries.Skip(all.Applied)], silo, late);
            all = new MappedBatch(all.Applied + step.Applied, all.Written + step.Written, [.. all.Exceptions, .. step.Exceptions], step.Failure);
        }

        return all;
    }

    /// <summary>One step of it, on either silo; what comes before the messages is settled.</summary>
    internal async Task<MappedBatch> StepAsync(IReadOnlyList<JournalEntry> entries, int silo = 0, bool late = false)
    {
        var job = new MappingJob(Tenant, FeedId.Parse("adt", null), Mapping, ResourceIdentity.Offline, entries[0].Position - 1, late);
        using var system = cluster.Tickets.EnterSystem();
        return await cluster.Silo(silo).GetRequiredService<FeedMapping>().ApplyAsync(job, entries, Ct);
    }

    internal static JournalEntry[] Entries(params IEnumerable<string> messages) =>
        [.. messages.Select((message, i) => new JournalEntry(i + 1, ReceivedAt, Encoding.UTF8.GetBytes(message), false, 0))];

    /// <summary>The record that an MRN stands for when nobody has merged it.</summary>
    internal static PatientId Of(string mrn) => PatientId.Parse(ResourceIdentity.Offline.IdOf("Patient", $"authority:HOSP|{mrn}"), null);

    internal IPatientRecordGrain Record(PatientId patient) => cluster.Inside.GetGrain<IPatientRecordGrain>(GrainKeys.Patient(Tenant, patient));

    internal async Task<Dictionary<string, JsonNode>> ShowAsync(PatientId patient)
    {
        using var admin = cluster.Tickets.Enter(new Caller(AppId.Parse("admin", null), AppRole.Admin, [CallContext.ReadMessagesScope], default));
        var resources = await Record(patient).ShowAsync(null, 1000, Ct);
        return resources.Select(json => JsonNode.Parse(json)!).ToDictionary(node => $"{node["resourceType"]}/{node["id"]}");
    }

    /// <summary>Everything that is stored of the patients but the times: contents, versions, sources, merges.</summary>
    internal async Task<string> DescribeAsync(IEnumerable<PatientId> patients)
    {
        var all = new StringBuilder();
        foreach (var patient in patients)
        {
            var rows = await cluster.LookAsync($"SELECT coalesce(merged_into, '-') || ' ' || coalesce(merged_by, '-') FROM record_heads WHERE tenant_id = '{Tenant}' AND patient = '{patient}'");
            if (rows.Count == 0)
            {
                continue;
            }

            all.AppendLine($"{patient} {rows[0]}");
            all.AppendJoin('\n', await cluster.LookAsync(
                $"""
                SELECT type || '/' || id || ' ' || version || ' ' || kind || ' ' || source FROM record_versions WHERE tenant_id = '{Tenant}' AND patient = '{patient}'
                UNION SELECT type || '/' || id || ' ' || version || ' ' || kind || ' ' || source FROM record_resources WHERE tenant_id = '{Tenant}' AND patient = '{patient}'
                ORDER BY 1
                """)).AppendLine();
            foreach (var (_, resource) in (await ShowAsync(patient)).OrderBy(entry => entry.Key, StringComparer.Ordinal))
            {
                resource["meta"]!.AsObject().Remove("lastUpdated");
                all.AppendLine(resource.ToJsonString());
            }
        }

        return all.ToString();
    }

    /// <summary>An ADT message about a patient by MRN, in a visit and an account; <paramref name="prior"/> is the MRG segment from its first field on.</summary>
    internal static string Adt(
        string trigger, string mrn, string family, string visit = "", string prior = "", string more = "", string account = "") =>
        $"MSH|^~\\&|HIS|HOSP|US|HERE|20260101120000||ADT^{trigger}|{Guid.CreateVersion7():N}|P|2.5.1\rEVN|{trigger}|20260101120000\r"
        + $"PID|1||{mrn}^^^HOSP^MR||{family}^Test||19700101|F{(account.Length == 0 ? "" : $"||||||||||{account}^^^HOSP^AN")}\r"
        + (prior.Length == 0 ? "" : $"MRG|{prior}\r")
        + (visit.Length == 0 ? "" : $"PV1|1|I|WARD^1^A||||||||||||||||{visit}^^^HOSP^VN\r")
        + more;
}

using System.Diagnostics.Metrics;
using EhrGrains.Contracts.Populations;

namespace EhrGrains.Grains.Populations;

/// <summary>What cohorts and bulk exports measure. Tags are bounded words; never a tenant or a cohort.</summary>
internal sealed class PopulationMetrics
{
    private readonly Counter<long> members;
    private readonly Counter<long> groups;
    private readonly Counter<long> exports;
    private readonly Counter<long> delays;
    private readonly Counter<long> lines;
    private readonly Counter<long> bytes;

    public PopulationMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("EhrGrains");
        members = meter.CreateCounter<long>("ehrgrains.population.members", "{patient}", "Patients of cohorts that were looked up, by what came of it.");
        groups = meter.CreateCounter<long>("ehrgrains.population.groups", "{group}", "Groups that were looked at, by what came of it.");
        exports = meter.CreateCounter<long>("ehrgrains.bulk.exports", "{export}", "Bulk exports that ended, by how.");
        delays = meter.CreateCounter<long>("ehrgrains.bulk.delays", "{step}", "Steps of bulk exports that did not succeed and are done again later.");
        lines = meter.CreateCounter<long>("ehrgrains.bulk.resources", "{resource}", "Resources of bulk exports, by what became of them.");
        bytes = meter.CreateCounter<long>("ehrgrains.bulk.bytes", "By", "Bytes of bulk files that were read.");
    }

    internal void LookedUp(MemberState state) => members.Add(1, new KeyValuePair<string, object?>("outcome", state switch
    {
        MemberState.Enrolled => "enrolled",
        MemberState.NotFound => "not_found",
        MemberState.Ambiguous => "ambiguous",
        _ => "failed",
    }));

    internal void Looked(bool isRead) => groups.Add(1, new KeyValuePair<string, object?>("outcome", isRead ? "read" : "failed"));

    internal void Ended(BulkState state) =>
        exports.Add(1, new KeyValuePair<string, object?>("outcome", state.ToString().ToLowerInvariant()));

    internal void Delayed() => delays.Add(1);

    internal void Taken(string outcome, long count)
    {
        if (count > 0)
        {
            lines.Add(count, new KeyValuePair<string, object?>("outcome", outcome));
        }
    }

    internal void Read(long count) => bytes.Add(count);
}

using EhrGrains.Contracts;
using EhrGrains.Contracts.DataContracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.DataContracts;
using EhrGrains.Grains.Audit;
using EhrGrains.Grains.Callers;
using EhrGrains.Storage.Sync;

namespace EhrGrains.Grains.DataContracts;

/// <summary>
/// Counts a contract's elements in the records of copied patients, by the searches of the contract. A few patients at a time: their names
/// are on the audit trail before anything of them is read (I5), and what is read is gone before the next ones.
/// </summary>
internal sealed class CoverageRun(IGrainFactory grains, SyncReports copies, CommandAudit audit, CallerTickets tickets)
{
    private const int PatientsAtOnce = 20;
    private const int PageMax = 1_000;
    private const int PagesMax = 10;

    // Absolute references in copies are the gateway's own; contracts have none in their searches.
    private const string NoGateway = "https://gateway.invalid/fhir";

    internal async Task<ContractCoverage> RunAsync(TenantId tenant, DataContract contract, int patientsMax, CancellationToken cancellationToken)
    {
        var patients = await copies.CopiedAsync(tenant, patientsMax, cancellationToken);
        if (patients.Count == 0)
        {
            throw new ProblemException(
                ProblemKind.Conflict, "EHR-DCT-004", "tenant",
                "No patient of this tenant has been copied yet. Import a roster of test patients («ehrgrains roster import») and wait for «ehrgrains sync status».");
        }

        CoverageTally[] tallies = [.. contract.Needs.Select(need => new CoverageTally(need.Feature.Name, need.Resource))];
        var isCut = false;
        foreach (var some in patients.DistinctBy(p => p.Record).Chunk(PatientsAtOnce))
        {
            string[] named = [.. some.SelectMany(p => new[] { p.Patient.Value, p.Record.Value }).Distinct(StringComparer.Ordinal)];
            isCut |= await audit.RunAsync(tenant, "contract.coverage", () => CountAsync(tenant, [.. some.Select(p => p.Record)], tallies, cancellationToken), cancellationToken, named);
        }

        return new ContractCoverage
        {
            Contract = contract.Name,
            Tenant = tenant.Value,
            Patients = patients.Count,
            Types = [.. tallies.Select(tally => tally.Total())],
            IsCut = isCut,
        };
    }

    private async Task<bool> CountAsync(TenantId tenant, PatientId[] records, CoverageTally[] tallies, CancellationToken cancellationToken)
    {
        using var system = tickets.EnterSystem();
        var isCut = false;
        foreach (var record in records)
        {
            var found = new Dictionary<string, IReadOnlyList<RecordEntry>>(StringComparer.Ordinal);
            foreach (var tally in tallies)
            {
                var need = tally.Need;
                var resources = new Dictionary<RecordKey, ReadOnlyMemory<byte>>();
                foreach (var search in Searches(need))
                {
                    if (!found.TryGetValue(search.ToString(), out var entries))
                    {
                        (entries, var cut) = await ReadAsync(tenant, record, search, cancellationToken);
                        isCut |= cut;
                        found[search.ToString()] = entries;
                    }

                    foreach (var entry in entries)
                    {
                        resources[entry.Key] = entry.Json;
                    }
                }

                tally.Add(resources.Values);
            }
        }

        return isCut;
    }

    // A Patient is looked for by who it is, which says nothing of what it has; a parameter of any value asks for all.
    private static IEnumerable<ContractSearch> Searches(ContractResource need) => need.Searches.Count == 0 || need.Type == "Patient"
        ? [new ContractSearch(need.Type, [])]
        : need.Searches.Select(search => search with { Parameters = [.. search.Parameters.Where(p => p.Value is not null)] });

    private async Task<(IReadOnlyList<RecordEntry> Entries, bool IsCut)> ReadAsync(
        TenantId tenant, PatientId record, ContractSearch search, CancellationToken cancellationToken)
    {
        var entries = new List<RecordEntry>();
        RecordPosition? from = null;
        for (var page = 0; page < PagesMax; page++)
        {
            var answer = await grains.GetGrain<IPatientRecordGrain>(GrainKeys.Patient(tenant, record)).SearchAsync(
                new RecordSearch
                {
                    Type = search.Type,
                    Parameters = [.. search.Parameters.Select(p => new SearchParameter(p.Key, p.Value!)), new SearchParameter("_count", $"{PageMax}")],
                    GatewayBase = NoGateway,
                    From = from,
                },
                cancellationToken);
            if (answer.MovedTo is not null)
            {
                // It was merged since it was copied; the next run of its copy goes on there.
                return ([], false);
            }

            entries.AddRange(answer.Matches);
            if ((from = answer.Next) is null)
            {
                return (entries, false);
            }
        }

        return (entries, true);
    }
}

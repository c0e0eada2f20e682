using System.Collections.Concurrent;
using EhrGrains.Contracts;
using EhrGrains.Fhir.V2.Compiling;
using EhrGrains.Fhir.V2.Language;
using EhrGrains.Fhir.V2.Running;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Fhir.V2;

/// <summary>
/// HL7 v2 to FHIR R4: the shared rules and one site's layer over them, compiled. Follows the HL7 guide "HL7 Version 2 to FHIR"; see
/// docs/reference/v2-to-fhir.md. Immutable, safe for use by several threads.
/// </summary>
public sealed class V2Mapping
{
    private const string SiteFile = "mapping.rules";

    // A run holds buffers worth keeping; there are never more than threads that map at once.
    private const int RunsKeptMax = 16;
    private static readonly ConcurrentQueue<MappingRun> Runs = [];

    private readonly SiteLayer site;
    private readonly RulePlan plan;
    private readonly ConversionTables tables;
    private readonly SiteCodes codes;

    private V2Mapping(SiteLayer site, RulePlan plan, TimeZoneInfo zone)
    {
        (this.site, this.plan) = (site, plan);
        tables = new ConversionTables(site, zone, plan.Systems);
        codes = new SiteCodes(site.Codes);
    }

    /// <summary>Compiles the shared rules with a site's layer.</summary>
    /// <exception cref="ProblemException">The site layer is wrong: every fault, by line.</exception>
    public static V2Mapping Compile(SiteLayer site)
    {
        var faults = new List<RuleFault>();
        var reader = new RuleReader(faults);
        foreach (var (file, text) in SharedRules.All)
        {
            reader.Read(file, text);
        }

        reader.Read(SiteFile, site.Rules);
        var compiled = RuleCompiler.Compile(reader.Rules, faults);
        var problems = faults.OrderBy(fault => fault.Place.Line).Select(fault => new Problem("EHR-MAP-001", fault.Place.ToString(), fault.Message)).ToList();
        if (!TimeZoneInfo.TryFindSystemTimeZoneById(site.TimeZone, out var zone))
        {
            problems.Add(new Problem("EHR-MAP-002", "timeZone", "No such IANA time zone."));
        }

        foreach (var code in site.Codes.Where(code => !Hl7Address.TryParse(code.Field, out var address) || address.Field == 0))
        {
            problems.Add(new Problem("EHR-MAP-003", "codes", $"'{code.Field}' is no field: PID-8, OBX-3."));
        }

        return problems.Count == 0 ? new V2Mapping(site, compiled, zone!) : throw new ProblemException(ProblemKind.Invalid, problems);
    }

    /// <summary>Whom the message is about. Reads PID, PV1 and MRG only.</summary>
    public PatientMentions ReadPatients(Hl7Message message) => PatientReader.Read(message, site);

    /// <summary>Maps a message that has been read. Never throws for what the message holds.</summary>
    /// <exception cref="ArgumentException"><paramref name="context"/> does not name a patient for every mention.</exception>
    public MappedMessage Map(Hl7Message message, MappingContext context)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(context.Patients.Count, PatientReader.Count(message), nameof(context));
        var run = Runs.TryDequeue(out var kept) ? kept : new MappingRun();
        try
        {
            return run.Run(message, context, plan, tables, codes);
        }
        finally
        {
            if (Runs.Count < RunsKeptMax)
            {
                Runs.Enqueue(run);
            }
            else
            {
                run.Dispose();
            }
        }
    }
}

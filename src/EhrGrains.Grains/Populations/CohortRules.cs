using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;
using EhrGrains.Fhir;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Populations;

/// <summary>What is wrong with what operators state about cohorts; all of it, by path or line, and never a value of a patient.</summary>
internal static class CohortRules
{
    private const int TypesMax = 100;

    internal static void Check(CohortSpec spec)
    {
        var problems = new List<Problem>();
        if (spec.Group is not null && !IsText(spec.Group, CohortSpec.GroupLengthMax))
        {
            problems.Add(new("EHR-POP-001", "group", "Give the EHR's id of the Group: 1 to 256 characters, none of them a control character."));
        }

        if (spec.RefreshSeconds is < 300 or > 2_592_000)
        {
            problems.Add(new("EHR-POP-002", "refreshSeconds", "300 to 2,592,000 seconds."));
        }

        Throw(problems);
    }

    internal static void Check(RosterEntry[] entries)
    {
        if (entries.Length is 0 or > RosterEntry.CountMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-POP-003", "entries", "Import 1 to 5,000 patients at a time.");
        }

        var problems = new List<Problem>();
        foreach (var entry in entries)
        {
            var path = $"line {entry.Line}";
            if ((entry.EhrId is null) == (entry.Value is null))
            {
                problems.Add(new("EHR-POP-004", path, "Name the patient either by the EHR's id or by an identifier."));
            }
            else if (entry.Value is not null && !IsText(entry.Value, RosterEntry.LengthMax))
            {
                problems.Add(new("EHR-POP-005", path, "The identifier has 1 to 256 characters, none of them a control character or '|'."));
            }
            else if (entry.EhrId is not null && !IsText(entry.EhrId, RosterEntry.LengthMax))
            {
                problems.Add(new("EHR-POP-006", path, "The EHR's id has 1 to 256 characters, none of them a control character or '|'."));
            }

            if (entry.System is not null && (entry.EhrId is not null || !IsText(entry.System, RosterEntry.LengthMax)))
            {
                problems.Add(new("EHR-POP-007", path, "A system goes with an identifier, and is a URI of at most 256 characters without '|'."));
            }
        }

        Throw(problems);
    }

    /// <summary>Checks an export, and gives the types that it asks for.</summary>
    internal static string[] Check(BulkRequest request, CohortSpec cohort, VendorProfile profile, IReadOnlyCollection<string> synced)
    {
        var problems = new List<Problem>();
        if (!profile.Bulk.Levels.Contains(Of(request.Level)))
        {
            problems.Add(new("EHR-POP-020", "level", profile.Bulk.Levels.Count == 0
                ? $"{profile.Name} has no bulk export."
                : $"{profile.Name} exports at the level {string.Join(" or ", profile.Bulk.Levels)}."));
        }

        if (request.Level == ExportLevel.Group && cohort.Group is null)
        {
            problems.Add(new("EHR-POP-021", "level", "The cohort has no Group: set one, or choose another level."));
        }

        if (request.Types.Length > TypesMax || request.Types.Any(type => !ResourceTypes.All.Contains(type)))
        {
            problems.Add(new("EHR-POP-022", "types", "At most 100 FHIR resource types, for example Observation."));
        }

        if (request.Types.Intersect(profile.Bulk.NotExported).FirstOrDefault() is { } missing)
        {
            problems.Add(new("EHR-POP-023", "types", $"{profile.Name} exports no {missing}."));
        }

        if (request.Incremental && !profile.Bulk.Since)
        {
            problems.Add(new("EHR-POP-024", "incremental", $"{profile.Name} cannot export only what has changed (_since)."));
        }

        Throw(problems);
        return request.Types.Length > 0
            ? [.. request.Types.Distinct(StringComparer.Ordinal)]
            : [.. synced.Where(type => !profile.Bulk.NotExported.Contains(type))];
    }

    /// <summary>What a roster's entry is known by: ids as the gateway has them, so that one patient is one member.</summary>
    internal static string NameOf(RosterEntry entry) =>
        entry.EhrId is { } id ? MemberName.OfId(ResourceIds.ToLegal(id.Trim(), out _)) : MemberName.OfIdentifier(entry.System?.Trim(), entry.Value!.Trim());

    private static BulkLevel Of(ExportLevel level) => level switch
    {
        ExportLevel.Group => BulkLevel.Group,
        ExportLevel.Patient => BulkLevel.Patient,
        _ => BulkLevel.System,
    };

    /// <summary>Whether a search can be made of an identifier.</summary>
    internal static bool IsName(string? system, string value) =>
        IsText(value, RosterEntry.LengthMax) && (system is null || IsText(system, RosterEntry.LengthMax));

    private static bool IsText(string text, int lengthMax) =>
        text.Length <= lengthMax && text.Trim().Length > 0 && !text.Contains('|', StringComparison.Ordinal) && !text.Any(char.IsControl);

    private static void Throw(List<Problem> problems)
    {
        if (problems.Count > 0)
        {
            throw new ProblemException(ProblemKind.Invalid, problems);
        }
    }
}

/// <summary>What names a patient of a cohort, as one text.</summary>
internal static class MemberName
{
    private const string Id = "id|";
    private const string Identifier = "identifier|";

    internal static string OfId(string legalId) => Id + legalId;

    internal static string OfIdentifier(string? system, string value) => $"{Identifier}{system}|{value}";

    /// <summary>The id as the gateway has it; null: an identifier names the patient.</summary>
    internal static string? IdOf(string name) => name.StartsWith(Id, StringComparison.Ordinal) ? name[Id.Length..] : null;

    /// <summary>The identifier as a search takes it: <c>system|value</c>, or the value alone.</summary>
    internal static (string? System, string Value) IdentifierOf(string name)
    {
        var bar = name.LastIndexOf('|');
        var system = name[Identifier.Length..Math.Max(bar, Identifier.Length)];
        return (system.Length == 0 ? null : system, name[(bar + 1)..]);
    }
}

using System.Text.Json;
using EhrGrains.Connect.Preflight;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Preflight;

/// <summary>A resource of a page, as far as checks look at it.</summary>
internal readonly record struct PageEntry(string Type, string? Id, string? Patient, bool IsDated)
{
    internal string Key => $"{Type}/{Id}";
}

/// <summary>A page of a search as it came. Never printed: it has ids.</summary>
internal sealed record SearchPage
{
    private static readonly string[] PatientMembers = ["patient", "subject", "beneficiary"];

    /// <summary>What was found, without what is included.</summary>
    internal required IReadOnlyList<PageEntry> Matches { get; init; }

    /// <summary>Whether an outcome says that something failed or is missing, and in what words of ours.</summary>
    internal string? Trouble { get; private init; }

    /// <summary>How many there are in all.</summary>
    internal int? Total { get; private init; }

    /// <summary>The link to the next page.</summary>
    internal string? Next { get; private init; }

    /// <summary>Reads a page; null when the answer is no Bundle.</summary>
    internal static SearchPage? Read(ProbeAnswer answer, VendorProfile profile)
    {
        if (answer.Document?.RootElement is not { ValueKind: JsonValueKind.Object } root || root.Text("resourceType") != "Bundle")
        {
            return null;
        }

        var matches = new List<PageEntry>();
        string? trouble = null;
        foreach (var entry in root.Items("entry"))
        {
            var mode = entry.Member("search")?.Text("mode");
            if (entry.Member("resource") is not { } resource || mode == "include")
            {
                continue;
            }

            if (resource.Text("resourceType") == "OperationOutcome")
            {
                trouble ??= TroubleOf(resource, profile);
            }
            else
            {
                matches.Add(new PageEntry(
                    resource.Text("resourceType") ?? "", resource.Text("id"), PatientOf(resource), resource.Member("meta")?.Text("lastUpdated") is not null));
            }
        }

        return new SearchPage
        {
            Matches = matches,
            Trouble = trouble,
            Total = root.Member("total") is { ValueKind: JsonValueKind.Number } total && total.TryGetInt32(out var count) ? count : null,
            Next = root.Items("link").FirstOrDefault(static link => link.Text("relation") == "next") is { ValueKind: JsonValueKind.Object } next ? next.Text("url") : null,
        };
    }

    // Whom it is of; of no patient: a location, a group.
    private static string? PatientOf(JsonElement resource)
    {
        if (resource.Text("resourceType") == "Patient")
        {
            return resource.Text("id");
        }

        foreach (var name in PatientMembers)
        {
            if (resource.Member(name)?.Text("reference") is { } reference && (reference.Contains("Patient/", StringComparison.Ordinal) || !reference.Contains('/', StringComparison.Ordinal)))
            {
                var parts = reference.Split('/');
                var at = Array.LastIndexOf(parts, "Patient");
                return at >= 0 && at + 1 < parts.Length ? parts[at + 1] : parts[^1];
            }
        }

        return null;
    }

    private static string? TroubleOf(JsonElement outcome, VendorProfile profile)
    {
        foreach (var issue in outcome.Items("issue"))
        {
            var codes = issue.Member("details")?.Items("coding").Select(static code => code.Text("code")).OfType<string>() ?? [];
            var known = codes.Select(code => profile.OutcomeCodes.GetValueOrDefault(code)).FirstOrDefault(static code => code is not null);
            if (known is { NoResults: true })
            {
                continue;
            }

            if (known is { Incomplete: true } || (known?.Severity ?? issue.Text("severity")) is "error" or "fatal" || (known is null && issue.Text("code") is "incomplete" or "throttled" or "too-costly" or "suppressed"))
            {
                return known?.Meaning ?? "An outcome among the entries says that not everything is here.";
            }
        }

        return null;
    }
}

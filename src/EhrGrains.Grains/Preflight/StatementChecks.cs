using System.Text.Json;
using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Fhir.Sites;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Preflight;

/// <summary>What the FHIR server says of itself (R4 http.html#capabilities), held against what is needed of it.</summary>
internal static class StatementChecks
{
    private static readonly Check[] All =
    [
        Check.StatementPresent, Check.StatementVersion, Check.StatementFormat, Check.StatementVendor, Check.StatementResources, Check.StatementSearch,
        Check.StatementSecurity, Check.StatementQuirks, Check.Bulk,
    ];

    // What each vendor's software calls itself, where it is one's own.
    private static readonly Dictionary<string, string[]> Software = new(StringComparer.Ordinal)
    {
        ["epic"] = ["epic"],
        ["oracle-health"] = ["oracle", "cerner", "millennium", "ignite"],
        ["athenahealth"] = ["athena"],
        ["meditech"] = ["meditech"],
        ["veradigm"] = ["veradigm", "altera", "allscripts", "sunrise", "touchworks"],
        ["modmed"] = ["modmed", "modernizing", "ema"],
        ["modmed-ema"] = ["modmed", "modernizing", "ema"],
    };

    internal static async Task RunAsync(PreflightRun run)
    {
        using var answer = await run.AskAnyoneAsync(new EhrRequest
        {
            Method = HttpMethod.Get,
            Url = run.Site.Url("metadata"),
            Op = "discovery",
            ResourceType = "CapabilityStatement",
        });
        if (answer is null)
        {
            run.SkipAll(run.Halt!, All);
            return;
        }

        if (answer is not { Status: 200, Document.RootElement: { ValueKind: JsonValueKind.Object } root } || SiteStatement.Read(root) is not { } statement)
        {
            run.Fail(Check.StatementPresent, $"{Said.Of(answer)}; no CapabilityStatement.", "Show GET [base]/metadata to anyone (R4 http.html#capabilities); check connection.baseUrl.");
            run.SkipAll("There is no CapabilityStatement.", All.AsSpan(1));
            return;
        }

        run.Served = statement.Resources.Count > 0 ? statement.Resources.Keys.ToHashSet(StringComparer.Ordinal) : null;
        run.Pass(Check.StatementPresent, $"{statement.Resources.Count} resource types.");
        run.Judge(
            Check.StatementVersion, statement.FhirVersion == "4.0.1", $"FHIR {statement.FhirVersion ?? "of a version that is not said"}.",
            "State the base URL of the R4 (4.0.1) server.", statement.FhirVersion?.StartsWith("4.0", StringComparison.Ordinal) == true ? PreflightState.Warning : PreflightState.Failed);
        var formats = root.Texts("format");
        run.Judge(
            Check.StatementFormat, formats.Any(static f => f.Contains("json", StringComparison.OrdinalIgnoreCase)), $"Formats: {string.Join(", ", formats.Take(8))}.",
            "Offer application/fhir+json.", PreflightState.Warning);
        CheckVendor(run, statement);
        CheckNeeds(run, statement);
        CheckSecurity(run, root);
        CheckQuirks(run, statement);
    }

    private static void CheckVendor(PreflightRun run, SiteStatement statement)
    {
        var profile = run.Site.Profile;
        if (statement.Software is not { } software)
        {
            run.Skip(Check.StatementVendor, "The site does not name its software.");
            return;
        }

        var others = Software.Where(other => other.Key != profile.Id && other.Value.Any(Names) && !(Software.GetValueOrDefault(profile.Id)?.Any(Names) ?? false)).Select(other => other.Key).ToArray();
        run.Judge(
            Check.StatementVendor, others.Length == 0, $"The software calls itself «{software}»; the profile is {profile.Name}.",
            $"The profile may be the wrong one: state connection.vendor: {others.FirstOrDefault()}.", PreflightState.Warning);

        bool Names(string word) => software.Contains(word, StringComparison.OrdinalIgnoreCase);
    }

    private static void CheckNeeds(PreflightRun run, SiteStatement statement)
    {
        string[] missing = [.. run.Site.Types.Select(type => type.Type).Where(type => !statement.Resources.ContainsKey(type))];
        run.Judge(
            Check.StatementResources, missing.Length == 0, missing.Length == 0 ? $"All {run.Site.Types.Count} types are named." : $"Not named: {string.Join(", ", missing)}.",
            "Enable these types for the client, or tell us that they work all the same.", PreflightState.Warning);
        string[] parameters =
        [
            .. run.Site.Searched.Where(type => statement.Resources.TryGetValue(type.Type, out var found) && found.Search.Count > 0)
                .SelectMany(type => type.Searches.SelectMany(search => search.Select(p => p.Name)).Append(type.Rules.PatientParameter).Concat(type.Rules.DateParameter is { } date ? [date] : [])
                    .Distinct(StringComparer.Ordinal)
                    .Where(name => name != "_id" && !statement.Resources[type.Type].Search.Contains(name))
                    .Select(name => $"{type.Type}.{name}")),
        ];
        run.Judge(
            Check.StatementSearch, parameters.Length == 0, parameters.Length == 0 ? "All that the searches use are named." : $"Not named: {string.Join(", ", parameters)}.",
            "Enable these search parameters, or tell us that they work all the same.", PreflightState.Warning);
    }

    private static void CheckSecurity(PreflightRun run, JsonElement root)
    {
        var security = root.Items("rest").Select(rest => rest.Member("security")).FirstOrDefault(found => found is not null);
        var isSmart = security is { } told && (told.Items("extension").Any(e => e.Text("url")?.EndsWith("/oauth-uris", StringComparison.Ordinal) == true)
            || told.Items("service").Any(service => service.Items("coding").Any(code => code.Text("code") is "SMART-on-FHIR" or "OAuth")));
        run.Judge(
            Check.StatementSecurity, isSmart, isSmart ? "SMART on FHIR is declared." : "No SMART on FHIR is declared.",
            "Declare rest.security.service SMART-on-FHIR.", PreflightState.Warning);
    }

    private static void CheckQuirks(PreflightRun run, SiteStatement statement)
    {
        var documented = VendorProfiles.Find(run.Site.Profile.Id) ?? run.Site.Profile;
        var found = SiteComparison.Of(documented, statement).Findings;
        run.Judge(
            Check.StatementQuirks, found.Count == 0,
            found.Count == 0 ? "The site says of itself what the vendor profile does." : $"{found.Count} things are otherwise, {found.Count(f => f.Adopted)} of them hold: {string.Join(", ", found.Take(6).Select(f => f.Path))}.",
            "Look at them: «ehrgrains quirks --look».", PreflightState.Warning);
        run.Judge(
            Check.Bulk, run.Site.Profile.Bulk.Levels.Count == 0 || statement.Exports.Count > 0 || found.Any(f => f.Path == "bulk.levels") is false,
            statement.Exports.Count > 0 ? $"Exports of {string.Join(", ", statement.Exports)}." : run.Site.Profile.Bulk.Levels.Count == 0 ? "None, as the vendor profile says." : "No export is declared; the vendor has one.",
            "Enable bulk export (Group/$export) for the client, if cohorts are to be exported.", PreflightState.Warning);
    }
}

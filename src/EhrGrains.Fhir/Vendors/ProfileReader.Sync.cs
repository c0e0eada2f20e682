namespace EhrGrains.Fhir.Vendors;

/// <summary>The sections about copying: sync, bulk, writes and limits.</summary>
internal static partial class ProfileReader
{
    private const string LastUpdated = "_lastUpdated";
    private const int DaySeconds = 86_400;

    private static readonly HashSet<string> Strategies = [.. Enum.GetNames<SyncStrategy>()];
    private static readonly HashSet<string> Levels = [.. Enum.GetNames<BulkLevel>()];

    private static SyncRules ReadSync(YamlFields fields, VendorProfile profile)
    {
        var types = new Dictionary<string, SyncTypeRules>();
        var recrawl = fields.Number("recrawlHours", 168, 8_760);
        Check(recrawl > 0, fields, "recrawlHours", "has to be at least 1");
        var typeFields = fields.Fields("types");
        foreach (var type in typeFields.Names)
        {
            if (profile.Resources.TryGetValue(type, out var resource))
            {
                types[type] = ReadSyncType(typeFields.Fields(type), type, resource, profile.Search);
            }
            else
            {
                typeFields.Wrong(type, "is not a type of resources");
            }
        }

        fields.Close();
        return new SyncRules { RecrawlHours = recrawl, Types = types };
    }

    private static SyncTypeRules ReadSyncType(YamlFields fields, string type, ResourceRules resource, SearchRules search)
    {
        var strategy = Enum.TryParse<SyncStrategy>(fields.Text("strategy", Strategies), out var known) ? known : default;
        var byReference = strategy == SyncStrategy.ByReference;
        var searches = fields.Maps("searches");
        var dateOnly = fields.Flag("dateOnly");
        var rules = new SyncTypeRules
        {
            Strategy = strategy,
            PatientParameter = fields.Text("patientParameter", absent: type == "Patient" ? "_id" : "patient"),
            Searches = byReference || searches.Count > 0 ? searches : [new Dictionary<string, string>()],
            DateParameter = fields.Text("dateParameter", absent: "") is { Length: > 0 } date ? date : null,
            DateOnly = dateOnly,
            OverlapSeconds = fields.Number("overlapSeconds", dateOnly ? DaySeconds : 300, 366 * DaySeconds),
            Hydrate = fields.Texts("hydrate"),
        };
        fields.Close();
        Check(rules.Hydrate.All(IsPath), fields, "hydrate", "has to give paths of elements below the resource, for example content.attachment.url");
        if (byReference)
        {
            Check(resource.Read, fields, "strategy", "needs a type that can be read");
            Check(searches.Count == 0, fields, "searches", "has no effect on what is read by reference");
            return rules;
        }

        CheckWindow(rules, fields, type, search);
        foreach (var fixedParameters in rules.Searches)
        {
            CheckSearch(rules, fixedParameters, fields, resource);
        }

        return rules;
    }

    private static void CheckWindow(SyncTypeRules rules, YamlFields fields, string type, SearchRules search)
    {
        Check(rules.Strategy == SyncStrategy.DateWindow == rules.DateParameter is not null, fields, "dateParameter", "goes with the strategy DateWindow");
        Check(
            rules.DateParameter is null || SearchParameterTypes.Find(type, rules.DateParameter, search.OwnParameters) == "date",
            fields, "dateParameter", "has to be a date parameter");
        Check(!rules.DateOnly || rules.Strategy != SyncStrategy.Crawl, fields, "dateOnly", "has no effect on a crawl");
        Check(!rules.DateOnly || rules.OverlapSeconds >= DaySeconds, fields, "overlapSeconds", "has to be a day at least where only days are taken");
    }

    // A search of the copy has to be one that the profile's own rules let through.
    private static void CheckSearch(SyncTypeRules rules, IReadOnlyDictionary<string, string> fixedParameters, YamlFields fields, ResourceRules resource)
    {
        var changed = rules.Strategy switch
        {
            SyncStrategy.LastUpdated => LastUpdated,
            SyncStrategy.DateWindow => rules.DateParameter,
            _ => null,
        };
        string[] first = [rules.PatientParameter, .. fixedParameters.Keys];
        var later = changed is null ? first : [.. first, changed];
        foreach (var name in later.Where(n => !resource.Search.Contains(n)))
        {
            fields.Wrong("searches", $"would use {name}, which is not a parameter of the type's search");
        }

        Check(
            resource.RequiredAnyOf.Count == 0 || resource.RequiredAnyOf.Any(c => c.All(first.Contains)),
            fields, "searches", "lacks a required combination of the type's search");
        Check(!resource.Exclusive.Any(e => e.Count(later.Contains) > 1), fields, "searches", "puts parameters together that exclude each other");
    }

    private static bool IsPath(string path) =>
        path.Split('.').All(static part => part.Length > 0 && char.IsAsciiLetterLower(part[0]) && part.All(char.IsAsciiLetterOrDigit));

    private static BulkRules ReadBulk(YamlFields fields)
    {
        var bulk = new BulkRules
        {
            Levels = [.. fields.Texts("levels", Levels).Select(Enum.Parse<BulkLevel>)],
            Since = fields.Flag("since"),
            Type = fields.Flag("type", absent: true),
            TypeFilter = fields.Flag("typeFilter"),
            OutputFormat = fields.Text("outputFormat", absent: "") is { Length: > 0 } format ? format : null,
            PatientList = fields.Flag("patientList"),
            GroupSearch = fields.Map("groupSearch"),
            NotExported = fields.Texts("notExported", ResourceTypes.All),
            OnlyWhenNamed = fields.Texts("onlyWhenNamed", ResourceTypes.All),
            PollSeconds = fields.Number("pollSeconds", 60, DaySeconds),
            HoursBetween = fields.Number("hoursBetween", 0, 8_760),
            RunningMax = fields.Number("runningMax", 0, 1_000),
            PatientsMax = fields.Number("patientsMax", 0, 10_000_000),
            KeptDays = fields.Number("keptDays", 0, 3_650),
            DeleteWhenDone = fields.Flag("deleteWhenDone", absent: true),
            OutputRedirects = fields.Flag("outputRedirects"),
        };
        fields.Close();
        Check(bulk.PollSeconds > 0, fields, "pollSeconds", "has to be at least 1");
        Check(!bulk.PatientList || bulk.Levels.Contains(BulkLevel.Patient), fields, "patientList", "goes with the level Patient");
        Check(bulk.GroupSearch.Count == 0 || bulk.Levels.Contains(BulkLevel.Group), fields, "groupSearch", "goes with the level Group");
        return bulk;
    }

    private static readonly string[] FoundByParameters = ["category", "code", "date", "identifier"];

    private static WriteRules ReadWrites(YamlFields fields)
    {
        var writes = new WriteRules
        {
            Create = fields.Texts("create", ResourceTypes.All),
            Update = fields.Texts("update", ResourceTypes.All),
            Patch = fields.Texts("patch", ResourceTypes.All),
            Delete = fields.Texts("delete", ResourceTypes.All),
            IfMatch = fields.Flag("ifMatch"),
            Disputed = fields.Flag("disputed"),
            Required = ReadLists(fields.Fields("required")),
            Categories = ReadLists(fields.Fields("categories")),
            Rejected = fields.Texts("rejected"),
            FoundBy = ReadLists(fields.Fields("foundBy")),
            KeepsIdentifiers = fields.Flag("keepsIdentifiers"),
            ConditionalCreate = fields.Flag("conditionalCreate"),
        };
        Check(writes.FoundBy.Values.All(parameters => parameters.All(FoundByParameters.Contains)), fields, "foundBy", $"has to name some of: {string.Join(", ", FoundByParameters)}");
        fields.Close();
        return writes;
    }

    private static Dictionary<string, IReadOnlyList<string>> ReadLists(YamlFields fields)
    {
        var lists = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        foreach (var type in fields.Names.ToArray())
        {
            if (!ResourceTypes.All.Contains(type))
            {
                fields.Wrong(type, "is not a resource type of R4");
                continue;
            }

            lists[type] = fields.Texts(type);
        }

        fields.Close();
        return lists;
    }

    private static LimitRules ReadLimits(YamlFields fields)
    {
        var limits = new LimitRules
        {
            Requests = fields.Number("requests", 0, 100_000),
            WindowSeconds = fields.Number("windowSeconds", 60, 3_600),
            DailyQuota = fields.Number("dailyQuota", 0, int.MaxValue),
            TokensPerMinute = fields.Number("tokensPerMinute", 0, 100_000),
            Guideline = fields.Text("guideline", absent: ""),
        };
        fields.Close();
        Check(limits.WindowSeconds > 0, fields, "windowSeconds", "has to be at least 1");
        Check(limits.Guideline.Length == 0 || limits.Guideline.EndsWith('.'), fields, "guideline", "has to be a sentence");
        return limits;
    }
}

using EhrGrains.Contracts;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Outcomes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace EhrGrains.Fhir.Vendors;

/// <summary>Reads a vendor profile and checks all of it: a profile that loads is one that works.</summary>
internal static partial class ProfileReader
{
    private static readonly HashSet<string> Methods = ["private_key_jwt", "client_secret_basic", "client_secret_post"];
    private static readonly HashSet<string> Severities = ["fatal", "error", "warning", "information"];
    private static readonly HashSet<string> ScopeVersions = [.. Enum.GetNames<ScopeVersion>()];

    /// <exception cref="ProblemException">With everything that is wrong with the file.</exception>
    internal static VendorProfile Read(string fileName, TextReader text)
    {
        var problems = new List<Problem>();
        var profile = Read(fileName, new YamlFields(Parse(fileName, text), problems));
        return problems.Count == 0
            ? profile
            : throw new ProblemException(ProblemKind.Invalid, [.. problems.Select(p => p with { Path = $"{fileName}: {p.Path}" })]);
    }

    private static YamlNode Parse(string fileName, TextReader text)
    {
        try
        {
            var stream = new YamlStream();
            stream.Load(text);
            return stream.Documents.Count == 1
                ? stream.Documents[0].RootNode
                : throw new ProblemException(ProblemKind.Invalid, "EHR-VEN-002", fileName, "The file has to hold one YAML document.");
        }
        catch (YamlException e)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-VEN-002", fileName, $"The file is not YAML: line {e.Start.Line}, column {e.Start.Column}.");
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // YamlDotNet throws these on some texts that are no YAML, a bracket that is not closed among them.
            throw new ProblemException(ProblemKind.Invalid, "EHR-VEN-002", fileName, "The file is not YAML; look for a bracket that is not closed.");
        }
    }

    private static VendorProfile Read(string fileName, YamlFields fields)
    {
        var search = ReadSearch(fields.Fields("search"));
        var profile = new VendorProfile
        {
            Id = fields.Text("id"),
            Name = fields.Text("name"),
            Sources = fields.Texts("sources"),
            Auth = ReadAuth(fields.Fields("auth")),
            Search = search,
            OwnIds = fields.Texts("ownIds"),
            Resources = ReadResources(fields.Fields("resources"), search),
            OutcomeCodes = ReadOutcomeCodes(fields.Fields("outcomeCodes")),
            Bulk = ReadBulk(fields.Fields("bulk")),
            Writes = ReadWrites(fields.Fields("writes")),
            Limits = ReadLimits(fields.Fields("limits")),
            Normalization = ReadNormalization(fields.Fields("normalization")),
        };
        profile = profile with { Sync = ReadSync(fields.Fields("sync"), profile) };
        fields.Close();
        Check(profile.Id + ".yaml" == fileName, fields, "id", "has to be the name of the file");
        Check(profile.Sources.Count > 0, fields, "sources", "has to name where the facts come from");
        Check(profile.OwnIds.All(IsTemplate), fields, "ownIds", "has to give texts whose braces enclose a setting's name");
        Check(profile.Resources.Count > 0, fields, "resources", "has to name the resource types");
        return profile;
    }

    private static AuthRules ReadAuth(YamlFields fields)
    {
        var auth = new AuthRules
        {
            Methods = fields.Texts("methods"),
            ScopeVersion = Enum.TryParse<ScopeVersion>(fields.Text("scopeVersion", ScopeVersions), out var version) ? version : default,
            WildcardScopes = fields.Flag("wildcardScopes"),
            ApiKeyHeader = fields.Text("apiKeyHeader", absent: "") is { Length: > 0 } header ? header : null,
            ExpiresInDefault = fields.Number("expiresInDefault", 300, 86_400),
        };
        Check(auth.Methods.Count > 0 && auth.Methods.All(Methods.Contains), fields, "methods", $"has to name some of: {string.Join(", ", Methods)}");
        Check(auth.ApiKeyHeader?.All(c => char.IsAsciiLetterOrDigit(c) || c == '-') ?? true, fields, "apiKeyHeader", "has to be the name of a header");
        fields.Close();
        return auth;
    }

    private static SearchRules ReadSearch(YamlFields fields)
    {
        var search = new SearchRules
        {
            CountParameter = fields.Text("countParameter", absent: ""),
            Post = fields.Flag("post", absent: true),
            Always = fields.Map("always"),
            AlwaysOnNext = fields.Flag("alwaysOnNext"),
            TotalOfPage = fields.Flag("totalOfPage"),
            IdWith = fields.Texts("idWith"),
            OwnParameters = fields.Map("ownParameters"),
        };
        Check(search.OwnParameters.Values.All(SearchParameterTypes.Known.Contains), fields, "ownParameters", "has to give FHIR search parameter types");
        Check(search.Always.Values.All(IsTemplate), fields, "always", "has to give texts whose braces enclose a setting's name");
        fields.Close();
        return search;
    }

    private static bool IsTemplate(string text)
    {
        var rest = text.AsSpan();
        while (rest.IndexOfAny('{', '}') is var start and >= 0)
        {
            var end = rest[(start + 1)..].IndexOfAny('{', '}') + start + 1;
            if (rest[start] != '{' || end <= start + 1 || rest[end] != '}' || rest[(start + 1)..end].ContainsAnyExceptInRange('a', 'z'))
            {
                return false;
            }

            rest = rest[(end + 1)..];
        }

        return true;
    }

    private static Dictionary<string, ResourceRules> ReadResources(YamlFields fields, SearchRules search)
    {
        var resources = new Dictionary<string, ResourceRules>();
        foreach (var type in fields.Names)
        {
            Check(ResourceTypes.All.Contains(type), fields, type, "is not a resource type of FHIR R4");
            resources[type] = ReadResource(fields.Fields(type), type, search);
        }

        return resources;
    }

    private static ResourceRules ReadResource(YamlFields fields, string type, SearchRules search)
    {
        var rules = new ResourceRules
        {
            Read = fields.Flag("read", absent: true),
            Search = fields.Texts("search"),
            RequiredAnyOf = fields.ListsOfTexts("requiredAnyOf"),
            Exclusive = fields.ListsOfTexts("exclusive"),
            Count = fields.Flag("count", absent: search.CountParameter.Length > 0),
            CountDefault = fields.Number("countDefault", 0, 10_000),
            CountMax = fields.Number("countMax", 0, 10_000),
            Include = fields.Texts("include"),
            RevInclude = fields.Texts("revInclude"),
        };
        fields.Close();
        Check(rules.Search.Count > 0 || rules.Include.Count + rules.RevInclude.Count == 0, fields, "search", "has to name parameters where include or revInclude do");
        foreach (var name in rules.Search.Where(n => SearchParameterTypes.Find(type, n, search.OwnParameters) is null))
        {
            fields.Wrong("search", $"names {name}, which is neither FHIR's nor one of search.ownParameters");
        }

        Check(rules.RequiredAnyOf.All(c => c.All(rules.Search.Contains)), fields, "requiredAnyOf", "has to name parameters of search");
        Check(rules.Exclusive.All(c => c.Count > 1 && c.All(rules.Search.Contains)), fields, "exclusive", "has to name two or more parameters of search");
        Check(!rules.Count || search.CountParameter.Length > 0, fields, "count", "needs search.countParameter");
        Check(rules.Count || rules.CountDefault + rules.CountMax == 0, fields, "count", "is false, so there is no countDefault and no countMax");
        Check(rules.CountMax == 0 || rules.CountDefault <= rules.CountMax, fields, "countDefault", "has to be at most countMax");
        Check(rules.Include.All(i => i == "*" || IsInclude(i)), fields, "include", "has to give * or Type:parameter");
        Check(rules.RevInclude.All(IsInclude), fields, "revInclude", "has to give Type:parameter");
        string[] includes = [.. rules.Include.Count > 0 ? ["_include"] : Array.Empty<string>(), .. rules.RevInclude.Count > 0 ? ["_revinclude"] : Array.Empty<string>()];
        return rules with { Search = [.. rules.Search, .. includes] };
    }

    private static bool IsInclude(string value) =>
        value.Split(':') is [var type, { Length: > 0 }] && ResourceTypes.All.Contains(type);

    private static Dictionary<string, OutcomeCode> ReadOutcomeCodes(YamlFields fields)
    {
        var codes = new Dictionary<string, OutcomeCode>();
        foreach (var code in fields.Names)
        {
            var field = fields.Fields(code);
            codes[code] = new OutcomeCode
            {
                Issue = field.Text("issue"),
                Severity = field.Text("severity", Severities),
                Meaning = field.Text("meaning"),
                Incomplete = field.Flag("incomplete"),
                NoResults = field.Flag("noResults"),
                SessionExpired = field.Flag("sessionExpired"),
            };
            Check(IssueTypes.Meanings.ContainsKey(codes[code].Issue), field, "issue", "has to be a FHIR R4 issue type");
            Check(codes[code].Meaning.EndsWith('.'), field, "meaning", "has to be a sentence");
            field.Close();
        }

        return codes;
    }

    private static NormalizationRules ReadNormalization(YamlFields fields)
    {
        var rules = new NormalizationRules
        {
            Rules = fields.Texts("rules"),
            IdentifierTypes = fields.Map("identifierTypes"),
            EncounterClasses = fields.Map("encounterClasses"),
            CodeSystems = fields.Map("codeSystems"),
        };
        fields.Close();
        foreach (var name in rules.Rules.Where(n => !Rules.Optional.ContainsKey(n)))
        {
            fields.Wrong("rules", $"names {name}, which is not a rule; the rules are {string.Join(", ", Rules.Optional.Keys.Order(StringComparer.Ordinal))}");
        }

        Check(rules.IdentifierTypes.Values.All(CodeSystems.IdentifierTypes.ContainsKey), fields, "identifierTypes", "has to give codes of v2-0203");
        Check(rules.EncounterClasses.Values.All(CodeSystems.EncounterClasses.ContainsKey), fields, "encounterClasses", "has to give codes of v3-ActCode");
        Check(rules.CodeSystems.Values.All(u => Uri.IsWellFormedUriString(u, UriKind.Absolute)), fields, "codeSystems", "has to give absolute URIs");
        Check(!rules.CodeSystems.Values.Any(u => rules.CodeSystems.ContainsKey(u) || CodeSystems.Common.ContainsKey(u)), fields, "codeSystems", "has to give canonical URIs");
        Needs(rules, fields, "identifierTypes", rules.IdentifierTypes.Count, Rule.IdentifierTypes);
        Needs(rules, fields, "encounterClasses", rules.EncounterClasses.Count, Rule.EncounterClass);
        Needs(rules, fields, "codeSystems", rules.CodeSystems.Count, Rule.CodeSystems);
        return rules;
    }

    private static void Needs(NormalizationRules rules, YamlFields fields, string name, int count, Rule rule) =>
        Check(count == 0 || rules.Rules.Contains(Rules.Names[(int)rule]), fields, name, $"has no effect without the rule {Rules.Names[(int)rule]}");

    private static void Check(bool condition, YamlFields fields, string name, string message)
    {
        if (!condition)
        {
            fields.Wrong(name, message);
        }
    }
}

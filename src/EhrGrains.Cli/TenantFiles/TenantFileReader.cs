using EhrGrains.Contracts;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace EhrGrains.Cli.TenantFiles;

/// <summary>
/// Reads YAML text as a tenant. Strict, and it does not stop at the first error: a deserializer would, so the YAML nodes, which
/// know their lines, are read here.
/// </summary>
internal static class TenantFileReader
{
    // A tenant has eight levels of its own (those of a vendor profile's sync section) inside those of the document; more is a
    // mistake, and unbounded depth would overflow the stack of the node loader.
    private const int DepthMax = 10;

    internal static TenantFile Read(string name, string text)
    {
        var lines = new Dictionary<string, int>(StringComparer.Ordinal);
        var problems = new List<FileProblem>();
        TenantSpec? spec = null;
        if (CheckSyntax(name, text, problems) && Load(name, text, problems) is { } node)
        {
            var root = new YamlSection(name, node, lines, problems);
            spec = root.IsMapping ? Bind(root) : null;
        }

        var file = new TenantFile(name, spec, lines, []);
        if (spec is not null)
        {
            // What could not even be read, or is in what could not be read, is not complained of a second time.
            var known = problems.ConvertAll(problem => problem.Problem.Path);
            problems.AddRange(file.Place(
                TenantSpecRules.Validate(spec).Concat(CheckProfile(spec.Connection)).Where(problem => !known.Exists(path => Covers(path, problem.Path)))));
        }

        return file with { Problems = [.. problems.OrderBy(problem => problem.Line)] };
    }

    private static Problem[] CheckProfile(ConnectionSpec connection)
    {
        try
        {
            VendorProfiles.For(connection);
            return [];
        }
        catch (ProblemException e)
        {
            return e.Problems;
        }
    }

    private static YamlNode? Load(string name, string text, List<FileProblem> problems)
    {
        try
        {
            var yaml = new YamlStream();
            yaml.Load(new StringReader(text));
            return yaml.Documents[0].RootNode;
        }
        catch (YamlException e)
        {
            // A key that stands twice in one mapping is only seen when the nodes are put together.
            problems.Add(Unreadable(name, e));
        }
        catch (ArgumentException)
        {
            problems.Add(NotYaml(name, 1));
        }

        return null;
    }

    // One pass over the events, before any node is made: what YAML can do and a tenant file must not.
    private static bool CheckSyntax(string name, string text, List<FileProblem> problems)
    {
        var parser = new Parser(new StringReader(text));
        try
        {
            var depth = 0;
            var documents = 0;
            while (parser.MoveNext())
            {
                var step = parser.Current!;
                depth += step.NestingIncrease;
                documents += step is DocumentStart ? 1 : 0;
                if (step is AnchorAlias or NodeEvent { Anchor.IsEmpty: false })
                {
                    problems.Add(At(name, step, "EHR-CLI-021", "Anchors and aliases (& and *) are not used in tenant files; write the value."));
                }
                else if (step is NodeEvent { Tag.IsEmpty: false })
                {
                    problems.Add(At(name, step, "EHR-CLI-022", "Tags (!) are not used in tenant files; write the plain value."));
                }
                else if (step is DocumentStart && documents == 2)
                {
                    problems.Add(At(name, step, "EHR-CLI-023", "A second document starts here; a tenant has one file."));
                }
                else if (depth > DepthMax)
                {
                    problems.Add(At(name, step, "EHR-CLI-024", $"Nested deeper than {DepthMax} levels."));
                    return false;
                }
            }

            if (documents == 0)
            {
                problems.Add(new FileProblem(name, 1, new Problem("EHR-CLI-025", "", "The file is empty; it must state one tenant.")));
            }
        }
        catch (YamlException e)
        {
            problems.Add(Unreadable(name, e));
        }
        catch (InvalidOperationException)
        {
            problems.Add(NotYaml(name, (int?)parser.Current?.End.Line ?? 1));
        }

        return problems.Count == 0;
    }

    private static TenantSpec Bind(YamlSection root)
    {
        var connection = root.Section("connection");
        var budget = root.Section("budget");
        var defaults = new BudgetSpec();
        var spec = new TenantSpec
        {
            Tenant = root.RequiredText("tenant"),
            DisplayName = root.RequiredText("displayName"),
            Environment = root.Word("environment", TenantEnvironment.Sandbox),
            TimeZone = root.RequiredText("timeZone"),
            Connection = new ConnectionSpec
            {
                Vendor = connection.RequiredText("vendor"),
                BaseUrl = connection.RequiredText("baseUrl"),
                ClientId = connection.RequiredText("clientId"),
                AuthMethod = connection.Word("authMethod", ClientAuthMethod.PrivateKeyJwtEs384),
                Scopes = connection.Texts("scopes"),
                TokenEndpoint = connection.Text("tokenEndpoint"),
                AssertionAudience = connection.Text("assertionAudience"),
                Settings = connection.Pairs("settings"),
                PrivateNetworks = connection.Texts("privateNetworks"),
                TrustedCertificates = connection.Text("trustedCertificates"),
                Profile = connection.Yaml("profile"),
            },
            Budget = new BudgetSpec
            {
                Requests = (int?)budget.Number("requests", int.MaxValue) ?? defaults.Requests,
                WindowSeconds = (int?)budget.Number("windowSeconds", int.MaxValue) ?? defaults.WindowSeconds,
                Concurrency = (int?)budget.Number("concurrency", int.MaxValue) ?? defaults.Concurrency,
                DailyQuota = budget.Number("dailyQuota", long.MaxValue),
            },
            Feeds = [.. root.Sections("feeds").Select(FeedSection.Read)],
            Mapping = MappingSection.Read(root.Section("mapping")),
            Sync = SyncSection.Read(root.Section("sync")),
            RecordAgeMaxSeconds = (int?)root.Number("recordAgeMaxSeconds", int.MaxValue) ?? 0,
        };
        connection.RefuseUnknown();
        budget.RefuseUnknown();
        root.RefuseUnknown();
        return spec;
    }

    private static bool Covers(string outer, string path) => path == outer || outer.Length == 0 || path.StartsWith(outer + ".", StringComparison.Ordinal);

    private static FileProblem At(string name, ParsingEvent step, string code, string message) =>
        new(name, (int)step.Start.Line, new Problem(code, "", message));

    // YamlDotNet throws other exceptions than its own on some texts that are no YAML, a bracket that is not closed among them.
    private static FileProblem NotYaml(string name, int line) =>
        new(name, line, new Problem("EHR-CLI-020", "", "This is not YAML as it should be, here or below; look for a bracket that is not closed."));

    private static FileProblem Unreadable(string name, YamlException e) =>
        new(name, (int)e.Start.Line, new Problem("EHR-CLI-020", "", $"This is not YAML as it should be (column {e.Start.Column}): {e.Message}"));
}

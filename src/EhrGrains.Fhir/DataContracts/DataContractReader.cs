using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Scopes;
using EhrGrains.Fhir.Charts;
using EhrGrains.Fhir.Vendors;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace EhrGrains.Fhir.DataContracts;

/// <summary>Reads a data contract and checks all of it: everything that is wrong is told at once, by path and line. Pure.</summary>
public static class DataContractReader
{
    /// <summary>The longest text of a contract, in characters.</summary>
    public const int TextMax = 256 * 1024;

    // A contract has six levels; an unbounded depth would overflow the stack of who loads the nodes.
    private const int DepthMax = 8;
    private const int NameMax = 63;
    private const int FeaturesMax = 64;
    private const int ItemsMax = 64;
    private const string Wrong = "EHR-DCT-001";

    private static readonly Dictionary<string, string> Nothing = [];
    private static readonly HashSet<string> Needs = ["must", "should"];
    private static readonly HashSet<string> Writes = ["create", "update", "delete"];

    // Who it is about and how many come at once is said by who asks.
    private static readonly HashSet<string> NotStated = ["patient", "subject", "_count", "_format", "_include", "_revinclude", "_sort", "_elements", "_summary", "_total"];

    /// <summary>Reads a contract.</summary>
    /// <param name="text">The YAML text.</param>
    /// <exception cref="ProblemException">Invalid: with everything that is wrong.</exception>
    public static DataContract Read(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var problems = new List<Problem>();
        var contract = Read(new YamlFields(Parse(text), problems, code: Wrong));
        return problems.Count == 0 ? contract : throw new ProblemException(ProblemKind.Invalid, problems);
    }

    private static YamlNode Parse(string text)
    {
        if (text.Length > TextMax)
        {
            throw Unreadable($"The contract is longer than {TextMax} characters.");
        }

        var parser = new Parser(new StringReader(text));
        try
        {
            CheckShape(parser);
            var stream = new YamlStream();
            stream.Load(new StringReader(text));
            return stream.Documents.Count == 1 ? stream.Documents[0].RootNode : throw Unreadable("The contract has to be one YAML document.");
        }
        catch (YamlException e)
        {
            throw Unreadable($"This is not YAML as it should be: line {e.Start.Line}, column {e.Start.Column}.");
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // YamlDotNet throws these on some texts that are no YAML, a bracket that is not closed among them; what it read last was before it.
            throw Unreadable($"This is not YAML as it should be, after line {parser.Current?.End.Line ?? 1}: look for a bracket that is not closed.");
        }
    }

    private static void CheckShape(Parser parser)
    {
        var depth = 0;
        while (parser.MoveNext())
        {
            depth += parser.Current!.NestingIncrease;
            if (depth > DepthMax + 2)
            {
                throw Unreadable($"Nested deeper than {DepthMax} levels (line {parser.Current.Start.Line}).");
            }

            if (parser.Current is AnchorAlias or NodeEvent { Anchor.IsEmpty: false } or NodeEvent { Tag.IsEmpty: false })
            {
                throw Unreadable($"Anchors, aliases and tags (&, *, !) are not used in contracts; write the value (line {parser.Current.Start.Line}).");
            }
        }
    }

    private static DataContract Read(YamlFields fields)
    {
        var app = fields.Text("app", absent: "");
        var floor = ReadFloor(fields, null);
        var features = fields.Fields("features");
        var contract = new DataContract
        {
            Name = fields.Text("contract"),
            App = app.Length > 0 ? app : null,
            Features = [.. features.Names.ToArray().Select(name => ReadFeature(name, features, floor))],
        };
        Check(IsName(contract.Name), fields, "contract", "has to be a name of a-z, 0-9 and '-', beginning with a letter, of at most 63 characters");
        Check(app.Length == 0 || AppId.TryParse(app, out _), fields, "app", "has to be the id of an app");
        Check(contract.Features.Count is > 0 and <= FeaturesMax, fields, "features", $"has to name 1 to {FeaturesMax} features");
        fields.Close();
        return contract;
    }

    private static ContractFeature ReadFeature(string name, YamlFields features, double? floor)
    {
        Check(IsName(name), features, name, "has to be a name of a-z, 0-9 and '-', beginning with a letter, of at most 63 characters");
        var fields = features.Fields(name);
        var isMust = ReadNeed(fields);
        var resources = fields.Fields("resources");
        var feature = new ContractFeature(
            name, [.. resources.Names.ToArray().Select(type => ReadResource(type, resources, isMust, floor)).OfType<ContractResource>()]);
        Check(resources.Names.Count() is > 0 and <= ItemsMax, fields, "resources", $"has to name 1 to {ItemsMax} resource types");
        fields.Close();
        return feature;
    }

    private static ContractResource? ReadResource(string type, YamlFields resources, bool isMust, double? floor)
    {
        if (!ResourceTypes.All.Contains(type))
        {
            resources.Wrong(type, "is not a resource type of FHIR R4");
            return null;
        }

        var fields = resources.Fields(type);
        isMust &= ReadNeed(fields);
        floor = ReadFloor(fields, floor);
        var resource = new ContractResource
        {
            Type = type,
            IsMust = isMust,
            Searches = [.. fields.Texts("searches").Select(text => ReadSearch(type, text, fields)).OfType<ContractSearch>()],
            Elements = [.. ReadElements("must", isMust, floor), .. ReadElements("should", false, null)],
            Writes = fields.Texts("writes", Writes).Aggregate(Interactions.None, (all, word) => all | Enum.Parse<Interactions>(word, ignoreCase: true)),
        };
        Check(resource.Searches.Count <= ItemsMax, fields, "searches", $"has to name at most {ItemsMax} searches");
        Check(resource.Elements.Count <= ItemsMax, fields, "must", $"has to name at most {ItemsMax} elements, with those of should");
        fields.Close();
        return resource;

        IEnumerable<ContractElement> ReadElements(string name, bool must, double? share)
        {
            foreach (var text in fields.Texts(name).Where(text => text.Length > 0).ToArray())
            {
                if (ContractElementReader.Read(type, text, must, share, out var problem) is { } element)
                {
                    yield return element;
                }
                else
                {
                    fields.Wrong(name, $"«{Short(text)}» {problem}");
                }
            }
        }
    }

    // As an app writes it after the question mark, and not encoded.
    private static ContractSearch? ReadSearch(string type, string text, YamlFields fields)
    {
        KeyValuePair<string, string?>[] parameters =
        [
            .. text.Split('&').Select(part => part.Split('=', 2)).Select(pair => KeyValuePair.Create(pair[0].Trim(), pair.Length > 1 ? pair[1].Trim() : null)),
        ];
        foreach (var (parameter, value) in parameters)
        {
            var name = parameter.Split(':')[0];
            if (NotStated.Contains(name))
            {
                fields.Wrong("searches", $"«{Short(text)}» states {name}, which is no part of a need: a search is about one patient, where its type is");
            }
            else if (SearchDefinitions.Find(type, name) is null && SearchParameterTypes.Find(type, name, Nothing) is null)
            {
                fields.Wrong("searches", $"«{Short(text)}» has a parameter that neither FHIR R4 nor US Core has for {type}");
            }
            else if (value is "")
            {
                fields.Wrong("searches", $"«{Short(text)}» gives {name} no value: write one, or {name} alone for any");
            }
        }

        return text.Length > 0 ? new ContractSearch(type, parameters) : null;
    }

    private static bool ReadNeed(YamlFields fields) => !fields.Names.Contains("need") || fields.Text("need", Needs) != "should";

    private static double? ReadFloor(YamlFields fields, double? outer)
    {
        if (!fields.Names.Contains("atLeast"))
        {
            return outer;
        }

        var share = ContractElementReader.ReadShare(fields.Text("atLeast"));
        Check(share is not null, fields, "atLeast", "has to be a share from 0 to 1");
        return share ?? outer;
    }

    private static bool IsName(string text) =>
        text.Length is > 0 and <= NameMax && char.IsAsciiLetterLower(text[0]) && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    private static string Short(string text) => text.Length <= 80 ? text : text[..80] + "…";

    private static ProblemException Unreadable(string message) => new(ProblemKind.Invalid, "EHR-DCT-002", "", message);

    private static void Check(bool condition, YamlFields fields, string name, string message)
    {
        if (!condition)
        {
            fields.Wrong(name, message);
        }
    }
}

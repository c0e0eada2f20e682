using EhrGrains.Contracts;
using YamlDotNet.RepresentationModel;

namespace EhrGrains.Fhir.Vendors;

/// <summary>What a site changes of its vendor's profile.</summary>
internal static partial class ProfileReader
{
    private const string SitePath = "connection.profile";

    // What says whose profile it is, and what keeps the tenants of one server apart (I4): not a site's to change.
    private static readonly string[][] Fixed = [["id"], ["ownIds"], ["search", "always"], ["search", "alwaysOnNext"]];

    /// <summary>Reads a built-in profile with what a look at the site found, and over that what was stated for it.</summary>
    /// <exception cref="ProblemException">With everything that is wrong, by path under <c>connection.profile</c>.</exception>
    internal static VendorProfile ReadSite(string fileName, string text, string? probed, string? stated)
    {
        var problems = new List<Problem>();
        var root = (YamlMappingNode)Parse(fileName, new StringReader(text));
        foreach (var changes in new[] { probed, stated }.OfType<string>())
        {
            if (Parse(SitePath, new StringReader(changes)) is YamlMappingNode mapping)
            {
                problems.AddRange(Fixed.Where(path => TakeOut(mapping, path))
                    .Select(path => new Problem("EHR-VEN-003", string.Join('.', path), "is the vendor's and cannot be changed for a site.")));
                Merge(root, mapping);
            }
            else
            {
                problems.Add(new Problem("EHR-VEN-001", "", "has to be a mapping of names to values."));
            }
        }

        // Lines would be those of the vendor's file as often as of the site's.
        var profile = Read(fileName, new YamlFields(root, problems, lines: false));
        return problems.Count == 0 ? profile : throw AtSite(problems);
    }

    private static ProblemException AtSite(List<Problem> problems) => new(
        ProblemKind.Invalid, [.. problems.Select(p => p with { Path = p.Path.Length == 0 ? SitePath : $"{SitePath}.{p.Path}" })]);

    private static bool TakeOut(YamlMappingNode mapping, ReadOnlySpan<string> path)
    {
        var name = new YamlScalarNode(path[0]);
        return path.Length == 1
            ? mapping.Children.Remove(name)
            : mapping.Children.TryGetValue(name, out var value) && value is YamlMappingNode inner && TakeOut(inner, path[1..]);
    }

    private static void Merge(YamlMappingNode into, YamlMappingNode changes)
    {
        foreach (var (name, value) in changes.Children)
        {
            if (value is YamlScalarNode { Style: YamlDotNet.Core.ScalarStyle.Plain, Value: "" or "~" or "null" })
            {
                // YAML's null: what the vendor's file says does not hold here at all.
                into.Children.Remove(name);
            }
            else if (value is YamlMappingNode inner && into.Children.TryGetValue(name, out var there) && there is YamlMappingNode target)
            {
                Merge(target, inner);
            }
            else
            {
                into.Children[name] = value;
            }
        }
    }
}

using EhrGrains.Contracts.Tenants;
using YamlDotNet.RepresentationModel;

namespace EhrGrains.Fhir.Vendors;

/// <summary>One value of a site's profile that is not the vendor's.</summary>
/// <param name="Path">Where in the profile.</param>
/// <param name="Document">What the vendor's file says; null: nothing.</param>
/// <param name="Found">What a look at the site found; null: nothing else.</param>
/// <param name="Stated">What the operator stated, which wins; null: nothing.</param>
public sealed record ProfileDifference(string Path, string? Document, string? Found, string? Stated);

/// <summary>A site's profile beside its vendor's, value by value.</summary>
public static class ProfileDifferences
{
    /// <summary>What is stated or found at a site, ordered by path; empty when its vendor is not known.</summary>
    public static IReadOnlyList<ProfileDifference> Of(ConnectionSpec connection, string? probed)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (VendorProfiles.TextOf(connection.Vendor) is not { } text)
        {
            return [];
        }

        var (document, found, stated) = (Values(text), Values(probed), Values(connection.Profile));
        return
        [
            .. found.Keys.Union(stated.Keys, StringComparer.Ordinal).Order(StringComparer.Ordinal)
                .Select(path => new ProfileDifference(path, document.GetValueOrDefault(path), found.GetValueOrDefault(path), stated.GetValueOrDefault(path))),
        ];
    }

    private static Dictionary<string, string> Values(string? text)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        if (text is not null)
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(text));
            Note(values, "", stream.Documents[0].RootNode);
        }

        return values;
    }

    private static void Note(Dictionary<string, string> values, string path, YamlNode node)
    {
        if (node is not YamlMappingNode mapping)
        {
            values[path] = Written(node);
            return;
        }

        foreach (var (name, value) in mapping.Children)
        {
            var part = (name as YamlScalarNode)?.Value ?? "";
            Note(values, path.Length == 0 ? part : $"{path}.{part}", value);
        }
    }

    private static string Written(YamlNode node) => node switch
    {
        YamlScalarNode scalar => scalar.Value ?? "",
        YamlSequenceNode list => $"[{string.Join(", ", list.Children.Select(Written))}]",
        YamlMappingNode mapping => $"{{ {string.Join(", ", mapping.Children.Select(c => $"{Written(c.Key)}: {Written(c.Value)}"))} }}",
        _ => "",
    };
}

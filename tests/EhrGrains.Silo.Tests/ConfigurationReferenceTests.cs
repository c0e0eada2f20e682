using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml;
using EhrGrains.Silo.Configuration;

namespace EhrGrains.Silo.Tests;

/// <summary>
/// docs/reference/configuration.md is made from the options classes. Run with <c>EHRGRAINS_WRITE_DOCS=1</c> to write it anew.
/// </summary>
public sealed partial class ConfigurationReferenceTests
{
    [Fact]
    public void The_reference_of_settings_says_what_the_options_classes_say()
    {
        var file = Path.Combine(DeploymentTests.Root, "docs", "reference", "configuration.md");
        var made = Make();
        if (Environment.GetEnvironmentVariable("EHRGRAINS_WRITE_DOCS") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, made);
        }

        File.ReadAllText(file).ShouldBe(made, "run this test with EHRGRAINS_WRITE_DOCS=1");
        made.ShouldNotContain("| |", customMessage: "a setting without a description");
    }

    private static string Make()
    {
        var text = new StringBuilder("""
            # Settings

            Made from the options classes; do not edit. Section `EhrGrains`: in appsettings.json `{"EhrGrains": {"Silo": {"Port": 11111}}}`, in the
            environment `EhrGrains__Silo__Port=11111`, on the command line `--EhrGrains:Silo:Port=11111`; the later ones win. A silo with an
            unknown, unreadable or wrong setting names all of them and does not start (exit code 2).

            | setting | kind | default | what it is |
            |---|---|---|---|

            """);
        Add(text, "", typeof(SiloOptions), new SiloOptions());
        return text.ToString();
    }

    private static void Add(StringBuilder text, string prefix, Type type, object instance)
    {
        foreach (var property in type.GetProperties().Where(property => property.CanWrite || property.PropertyType.IsGenericType))
        {
            var kind = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            var name = prefix + property.Name;
            if (kind.IsClass && kind != typeof(string))
            {
                Add(text, name + ":", kind, property.GetValue(instance)!);
                continue;
            }

            var value = property.GetValue(instance) is { } set && kind is { IsInterface: false } ? Convert.ToString(set, CultureInfo.InvariantCulture) : "";
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"| `{name}` | {KindOf(kind)} | {(string.IsNullOrEmpty(value) ? "–" : $"`{value}`")} | {Summary(property)} |");
        }
    }

    private static string KindOf(Type kind) => kind switch
    {
        { IsEnum: true } => string.Join(" \\| ", Enum.GetNames(kind)),
        { IsInterface: true } => "list",
        _ when kind == typeof(string) => "text",
        _ when kind == typeof(TimeSpan) => "duration",
        _ => "number",
    };

    private static string Summary(PropertyInfo property)
    {
        var type = property.DeclaringType!;
        using var reader = XmlReader.Create(Path.ChangeExtension(type.Assembly.Location, ".xml"));
        var member = $"P:{type.FullName}.{property.Name}";
        while (reader.ReadToFollowing("member"))
        {
            if (reader.GetAttribute("name") == member && reader.ReadToDescendant("summary"))
            {
                var words = Reference().Replace(reader.ReadInnerXml(), match => match.Groups[1].Value.Split('.')[^1]);
                return Spaces().Replace(words.Replace("<c>", "`").Replace("</c>", "`").Replace("|", "\\|"), " ").Trim();
            }
        }

        return "";
    }

    [GeneratedRegex("<see cref=\"[A-Z]:([^\"]+)\"[^>]*/>", RegexOptions.NonBacktracking)]
    private static partial Regex Reference();

    [GeneratedRegex("\\s+", RegexOptions.NonBacktracking)]
    private static partial Regex Spaces();
}

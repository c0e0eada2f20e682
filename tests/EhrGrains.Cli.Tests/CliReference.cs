using System.CommandLine;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using EhrGrains.Cli.Commands;
using EhrGrains.Cli.Results;

namespace EhrGrains.Cli.Tests;

/// <summary>Writes docs/cli.md from the command tree and the result types.</summary>
internal static class CliReference
{
    private static readonly NullabilityInfoContext Nullability = new();

    internal static string Write()
    {
        var root = CommandTree.Build();
        using var text = new StringWriter(CultureInfo.InvariantCulture) { NewLine = "\n" };
        text.WriteLine("# ehrgrains: the command line");
        text.WriteLine();
        text.WriteLine("<!-- Made from the program by tests/EhrGrains.Cli.Tests; do not edit. -->");
        text.WriteLine();
        text.WriteLine("""
            Results go to standard output, everything else to standard error. `-o json` prints one JSON document of the type that
            is named with each command, or one a line where it says so; types only ever gain members. A refusal is then `{"kind": …, "problems": [{"code", "path",
            "message"}]}` on standard error. `NO_COLOR` is honoured.

            | exit code | meaning |
            |---|---|
            | 0 | done |
            | 1 | it did not work, for example because the cluster is not there |
            | 2 | the command line, a file or a query is wrong |
            | 3 | a check failed, or a hospital refused a new credential |
            | 4 | not authenticated or not allowed |
            | 5 | what was named does not exist |
            | 6 | the state does not allow it |

            ## Context file

            Where a cluster is and as which app one talks to it. A silo in embedded mode writes `operator.json` for its operator,
            `app add` one for a new app; both are readable by their owner only. `url` (https, except on loopback), `gateway`
            (`host:port`, several with commas between), `clusterId`, `serviceId`, `clientId`, and `privateJwk` (RFC 7517) or
            `clientSecret`; `tokenUrl` when an external issuer gives the tokens; `tls` with the paths `certificate`, `key` and
            `authority` when the Orleans gateway asks for mutual TLS.

            ## Options of every command

            """.ReplaceLineEndings("\n"));
        WriteOptions(text, root.Options);
        var types = new SortedDictionary<string, Type>(StringComparer.Ordinal);
        foreach (var command in root.Subcommands)
        {
            WriteCommand(text, "ehrgrains", command, types);
        }

        text.WriteLine("\n## Results\n");
        foreach (var (name, type) in types)
        {
            text.WriteLine($"`{name}`: {{ {string.Join(", ", Members(type))} }}\n");
        }

        return text.ToString().TrimEnd() + "\n";
    }

    private static void WriteCommand(TextWriter text, string parent, Command command, SortedDictionary<string, Type> types)
    {
        var name = $"{parent} {command.Name}";
        if (command is not Verb verb)
        {
            text.WriteLine($"\n## {name}\n\n{command.Description}");
            foreach (var sub in command.Subcommands)
            {
                WriteCommand(text, name, sub, types);
            }

            return;
        }

        var usage = string.Join(' ', verb.Arguments.Select(a => a.Arity.MinimumNumberOfValues > 0 ? a.Name : $"[{a.Name}]").Prepend(name));
        text.WriteLine($"\n{(parent == "ehrgrains" ? "##" : "###")} {usage}\n\n{verb.Description}\n");
        foreach (var argument in verb.Arguments)
        {
            text.WriteLine($"- `{argument.Name}`: {argument.Description}");
        }

        WriteOptions(text, verb.Options);
        text.WriteLine($"- {(verb.IsStream ? "Results, a line each" : "Result")}: {(verb.Result is { } result ? $"`{TypeName(result, types)}`" : "FHIR R4 JSON, as it came")}");
    }

    private static void WriteOptions(TextWriter text, IEnumerable<Option> options)
    {
        foreach (var option in options.Where(option => option.Name is not "--help" and not "--version"))
        {
            var names = string.Join(", ", option.Aliases.Prepend(option.Name));
            text.WriteLine($"- `{names}{(option.HelpName is { } value ? $" {value}" : "")}`{(option.Required ? " (required)" : "")}: {option.Description}{(option.HasDefaultValue && option.GetDefaultValue() is int number ? $" [default: {number}]" : "")}");
        }
    }

    private static string TypeName(Type type, SortedDictionary<string, Type> types)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            return $"{TypeName(inner, types)}?";
        }

        if (type.IsArray || (type.IsGenericType && type.GetGenericArguments().Length == 1))
        {
            return $"{TypeName(type.GetElementType() ?? type.GetGenericArguments()[0], types)}[]";
        }

        if (type.IsGenericType)
        {
            return $"{{string: {TypeName(type.GetGenericArguments()[1], types)}}}";
        }

        if (type.IsEnum)
        {
            return string.Join(" | ", Enum.GetNames(type).Select(name => $"\"{JsonNamingPolicy.SnakeCaseLower.ConvertName(name)}\""));
        }

        if (type == typeof(JsonElement))
        {
            return "FHIR R4 JSON";
        }

        var info = Output.Json.GetTypeInfo(type);
        if (info.Kind != JsonTypeInfoKind.Object)
        {
            return type == typeof(bool) ? "bool" : type == typeof(int) || type == typeof(long) || type == typeof(double) ? "number" : type == typeof(DateTimeOffset) ? "time" : "string";
        }

        if (types.TryAdd(type.Name, type))
        {
            foreach (var property in info.Properties)
            {
                TypeName(property.PropertyType, types);
            }
        }

        return type.Name;
    }

    private static IEnumerable<string> Members(Type type) => Output.Json.GetTypeInfo(type).Properties.Select(property =>
    {
        var isNullable = !property.PropertyType.IsValueType
            && Nullability.Create((PropertyInfo)property.AttributeProvider!).ReadState == NullabilityState.Nullable;
        return $"{property.Name}: {TypeName(property.PropertyType, [])}{(isNullable ? "?" : "")}";
    });
}

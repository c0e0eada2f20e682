using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using EhrGrains.Cli.Commands;
using EhrGrains.Cli.Results;
using EhrGrains.Cli.TenantFiles;
using EhrGrains.Contracts;
using EhrGrains.Fhir.V2;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Cli.Hl7;

/// <summary>A converted message: where its Bundle is, or the Bundle itself, and what a person should look at.</summary>
internal sealed record Hl7Converted(
    string File, int Index, string? Fault, string? Written, JsonElement? Bundle, int Resources, MappingException[] Exceptions,
    Hl7Accounted[]? Parts, RuleStep[]? Steps);

/// <summary>A part of a message and what became of it; its value where that was asked for.</summary>
internal sealed record Hl7Accounted(string Location, PartOutcome Outcome, string? Value, PartUse[] Uses);

/// <summary><c>ehrgrains hl7 to-fhir</c>: messages to Bundles of FHIR R4, without a cluster.</summary>
internal static class ToFhirVerb
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true, NewLine = "\n", Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static Verb Build()
    {
        var files = Hl7Files.Argument();
        var target = new Option<string?>("--out") { Description = "Write NAME.json, a Bundle for each NAME.hl7, into this folder.", HelpName = "DIR" };
        var explain = new Option<bool>("--explain") { Description = "Print what became of every part of the message, and by which rule, instead of the Bundle." };
        var why = new Option<string?>("--why") { Description = "Print which rules looked for this element, for example Patient.birthDate, and what they found.", HelpName = "ELEMENT" };
        var values = new Option<bool>("--values") { Description = "With --explain: print the values beside their places." };
        var tenant = new Option<string?>("--tenant") { Description = "Use the site layer (mapping, time zone) of this tenant's YAML file.", HelpName = "FILE" };
        var zone = new Option<string>("--zone") { Description = "The time zone of times that state no offset.", HelpName = "ZONE", DefaultValueFactory = _ => "UTC" };
        return new Verb("to-fhir", "Converts messages to FHIR R4 and says what it could not. These are the patients' data: mind where they go. Exit code 3: a message could not be read.")
        {
            files, target, explain, values, why, tenant, zone,
        }.Streams<Hl7Converted>(async run =>
        {
            var site = run.Get(tenant) is { } path ? await SiteOfAsync(path, run.Stopping) : new SiteLayer { TimeZone = run.Get(zone) };
            return ConvertAll(run, V2Mapping.Compile(site), new Asked(run.Get(target), run.Get(explain), run.Get(values), run.Get(why)), run.Get(files));
        });
    }

    // What the command line asks for.
    private sealed record Asked(string? Folder, bool Explain, bool Values, string? Element)
    {
        internal bool Accounts => Explain || Element is not null;
    }

    private static ExitCode ConvertAll(Invocation run, V2Mapping mapping, Asked asked, string[] paths)
    {
        var (total, refused, exceptions) = (0, 0, 0);
        if (asked.Folder is { } folder)
        {
            Directory.CreateDirectory(folder);
        }

        foreach (var found in Hl7Files.Read(Hl7Files.Find(paths), Hl7ReadOptions.Tolerant, run.Stopping))
        {
            var converted = Convert(mapping, found, asked);
            total++;
            refused += converted.Fault is null ? 0 : 1;
            exceptions += converted.Exceptions.Length;
            run.Output.WriteLine(converted, shown => ToText(shown, asked));
        }

        if (asked.Folder is not null)
        {
            run.Output.WriteTotal($"{total - refused} of {total} messages converted, {exceptions} exceptions.");
        }

        return refused == 0 ? ExitCode.Ok : ExitCode.CheckFailed;
    }

    private static Hl7Converted Convert(V2Mapping mapping, Hl7FileMessage found, Asked asked)
    {
        if (!found.Result.Ok)
        {
            return new Hl7Converted(found.File, found.Index, Words.Of(found.Result.Fault), null, null, 0, [], null, null);
        }

        var context = MappingContext.Offline(mapping.ReadPatients(found.Message), $"{Path.GetFileName(found.File)}/{found.Index}", asked.Accounts);
        var mapped = mapping.Map(found.Message, context);
        using var bundle = JsonDocument.Parse(MappedBundle.Write(mapped));
        string? written = null;
        if (asked.Folder is { } folder)
        {
            var name = Path.GetFileNameWithoutExtension(found.File) + (found.Index == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $".{found.Index}"));
            written = Path.Combine(folder, name + ".json");
            using var stream = File.Create(written);
            using var writer = new Utf8JsonWriter(stream, Indented);
            bundle.WriteTo(writer);
        }

        return new Hl7Converted(
            found.File, found.Index, null, written, written is null && !asked.Accounts ? bundle.RootElement.Clone() : null, mapped.Resources.Count,
            [.. mapped.Exceptions],
            asked.Explain ? [.. mapped.Accounting!.Parts.Select(part => PartOf(part, found.Message, asked.Values))] : null,
            asked.Element is { } element ? [.. mapped.Accounting!.Steps.Where(step => Concerns(step, element))] : null);
    }

    private static Hl7Accounted PartOf(AccountedPart part, Hl7Message message, bool showsValue) =>
        new(part.Location, part.Outcome, showsValue ? message[part.Location].GetString() : null, part.Uses);

    // A rule for Patient.identifier concerns Patient.identifier.system, which it alone could have made, and the other way round.
    private static bool Concerns(RuleStep step, string element) =>
        IsWithin(step.Element, element) || IsWithin(element, step.Element);

    private static bool IsWithin(string inner, string outer) =>
        inner.StartsWith(outer, StringComparison.OrdinalIgnoreCase) && (inner.Length == outer.Length || inner[outer.Length] is '.' or '[');

    private static async Task<SiteLayer> SiteOfAsync(string path, CancellationToken cancellationToken)
    {
        var file = (await TenantFile.ReadAllAsync(path, cancellationToken))[0];
        if (file.Problems.Count > 0 || file.Spec is not { } spec)
        {
            throw new ProblemException(ProblemKind.Invalid, [.. file.Problems.Select(problem => problem.ToProblem())]);
        }

        return new SiteLayer
        {
            TimeZone = spec.TimeZone,
            Authorities = spec.Mapping.Authorities,
            Codes = [.. spec.Mapping.Codes.Select(code => new SiteCode(code.Field, code.From, code.System, code.Code, code.Display))],
            Rules = spec.Mapping.Rules,
        };
    }

    private static string ToText(Hl7Converted shown, Asked asked)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"# {shown.File}{(shown.Index > 1 ? $" [{shown.Index}]" : "")}: ");
        text.Append(shown.Fault ?? string.Create(CultureInfo.InvariantCulture, $"{shown.Resources} resources, {shown.Exceptions.Length} exceptions"));
        text.Append(shown.Written is null ? "" : $" -> {shown.Written}");
        foreach (var exception in shown.Exceptions)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n! {exception.Location,-12} {exception.Kind}: {exception.Message}");
        }

        foreach (var part in shown.Parts ?? [])
        {
            // A control character in a message must not drive the terminal of who looks at it.
            var value = part.Value is { } shownValue ? $" {string.Concat(shownValue.Select(c => char.IsControl(c) ? '·' : c)),-24}" : "";
            var uses = string.Join("; ", part.Uses.Where(use => use.Rule.Length > 0).Select(use => $"{use.Text} ({use.Rule})"));
            text.Append(CultureInfo.InvariantCulture, $"\n  {part.Location,-16} {Words.Of(part.Outcome),-10}{value} {uses}");
        }

        if (asked.Element is not null && shown.Steps is { Length: 0 })
        {
            text.Append("\n  No rule for this element was tried: no segment of the message has one.");
        }

        foreach (var step in shown.Steps ?? [])
        {
            text.Append(CultureInfo.InvariantCulture, $"\n  {step.Element,-40} {step.Segment,-8} {step.Source,-16} {Words.Of(step.Finding),-12} {step.Rule}");
        }

        if (shown.Bundle is { } bundle)
        {
            using var stream = new MemoryStream();
            using (var writer = new Utf8JsonWriter(stream, Indented))
            {
                bundle.WriteTo(writer);
            }

            text.Append('\n').Append(Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length));
        }

        return text.ToString();
    }
}

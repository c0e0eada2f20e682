using System.CommandLine;
using System.Globalization;
using EhrGrains.Cli.Commands;
using EhrGrains.Cli.Results;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Tables;

namespace EhrGrains.Cli.Hl7;

/// <summary>A message's values, each with its address.</summary>
internal sealed record Hl7Shown(string File, int Index, string? Fault, Hl7ShownValue[] Values);

/// <summary>A value: its address, the name of its field where the standard has one, and its text with character set and escapes decoded.</summary>
internal sealed record Hl7ShownValue(string At, string? Name, string Text);

/// <summary><c>ehrgrains hl7 show</c>: values by address. Shows what is in the messages, to who asks for it.</summary>
internal static class ShowVerb
{
    internal static Verb Build()
    {
        var files = Hl7Files.Argument();
        var addresses = new Option<Hl7Address[]>("--at")
        {
            Description = "Only the value at this address, for example PID-3[2].1 or OBX[3]-5. Can be repeated.",
            HelpName = "ADDRESS",
            DefaultValueFactory = _ => [],
            CustomParser = result => [.. result.Tokens.Select(token => Parse(result, token.Value))],
        };
        return new Verb("show", "Shows every value with its address. These are the patients' data: mind where they go.") { files, addresses }.Streams<Hl7Shown>(run =>
        {
            var refused = 0;
            foreach (var found in Hl7Files.Read(Hl7Files.Find(run.Get(files)), Hl7ReadOptions.Tolerant, run.Stopping))
            {
                refused += found.Result.Ok ? 0 : 1;
                run.Output.WriteLine(Of(found, run.Get(addresses)), ToText);
            }

            return Task.FromResult(refused == 0 ? ExitCode.Ok : ExitCode.CheckFailed);
        });
    }

    private static Hl7Shown Of(Hl7FileMessage found, Hl7Address[] addresses) =>
        !found.Result.Ok ? new Hl7Shown(found.File, found.Index, Words.Of(found.Result.Fault), [])
        : new Hl7Shown(found.File, found.Index, null, addresses.Length > 0
            ? [.. addresses.Select(address => new Hl7ShownValue(address.ToString(), NameOf(address), found.Message[address].GetString()))]
            : All(found.Message));

    private static string? NameOf(Hl7Address address) =>
        Hl7Tables.Fields(address.Segment) is var fields && address.Field > 0 && address.Field <= fields.Count ? fields[address.Field - 1].Name : null;

    private static Hl7ShownValue[] All(Hl7Message message)
    {
        var values = new List<Hl7ShownValue>();
        var occurrences = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var segment in message.Segments)
        {
            var id = System.Text.Encoding.ASCII.GetString(segment.Id).ToUpperInvariant();
            var occurrence = occurrences[id] = occurrences.GetValueOrDefault(id) + 1;
            for (var number = 1; number <= segment.FieldCount; number++)
            {
                var repetition = 0;
                foreach (var value in segment[number].Repetitions)
                {
                    repetition++;
                    if (!value.IsEmpty)
                    {
                        var at = new Hl7Address(id, occurrence, number, repetition > 1 ? repetition : 0, 0, 0);
                        values.Add(new Hl7ShownValue(at.ToString(), NameOf(at), value.GetString()));
                    }
                }
            }
        }

        return [.. values];
    }

    // A control character in a message must not drive the terminal of who looks at it.
    private static string ToText(Hl7Shown shown)
    {
        var width = shown.Values.Select(value => value.At.Length).DefaultIfEmpty().Max();
        var names = shown.Values.Select(value => value.Name?.Length ?? 0).DefaultIfEmpty().Max();
        var lines = shown.Values.Select(value => $"{value.At.PadRight(width)}  {value.Name?.PadRight(names)}  {string.Concat(value.Text.Select(c => char.IsControl(c) ? '·' : c))}");
        return string.Create(CultureInfo.InvariantCulture, $"# {shown.File} [{shown.Index}] {shown.Fault}\n{string.Join('\n', lines)}");
    }

    private static Hl7Address Parse(System.CommandLine.Parsing.ArgumentResult result, string text)
    {
        if (!Hl7Address.TryParse(text, out var address))
        {
            result.AddError("--at is an address such as PID-3, PID-3[2].4.1 or OBX[3]-5.");
        }

        return address;
    }
}

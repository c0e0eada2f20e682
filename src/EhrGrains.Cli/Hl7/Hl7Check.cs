using EhrGrains.Cli.Commands;
using EhrGrains.Cli.Results;
using EhrGrains.Hl7v2.Messages;
using EhrGrains.Hl7v2.Tables;

namespace EhrGrains.Cli.Hl7;

/// <summary>What a file's message turned out to be; never a value of it.</summary>
internal sealed record Hl7Check(
    string File, int Index, int Offset, bool Accepted, string? Type, string? Version, string? Fault, int? FaultByte, Hl7CheckWarning[] Warnings)
{
    internal static Hl7Check Of(Hl7FileMessage found, bool isStrict)
    {
        var (message, result) = (found.Message, found.Result);
        if (!result.Ok)
        {
            return new Hl7Check(
                found.File, found.Index, found.Offset, false, null, null, Words.Of(result.Fault), found.Offset + result.Offset, [.. found.FileWarnings.Select(InFile)]);
        }

        var tolerated = message.Warnings.Concat(isStrict ? Hl7Conformance.Check(message) : []);
        Hl7CheckWarning[] warnings =
        [
            .. found.FileWarnings.Select(InFile),
            .. tolerated.Select(warning => new Hl7CheckWarning(
                Words.Of(warning.Code), message.Locate(warning)?.ToString(), found.Offset + message.Skipped + warning.Offset)),
        ];
        var isRefused = isStrict && warnings.Length > 0;
        return new Hl7Check(
            found.File, found.Index, found.Offset, !isRefused, TypeOf(message), VersionOf(message),
            isRefused ? Words.Of(Hl7Fault.NotStrict) : null, isRefused ? warnings[0].Byte : null, warnings);
    }

    internal string ToLine()
    {
        var what = Accepted ? $"{Type ?? "no type"} {Version ?? "no version"}" : $"{Fault} at byte {FaultByte}";
        var warnings = string.Concat(Warnings.Select(warning => $"; {warning.Code} at {warning.At ?? $"byte {warning.Byte}"}"));
        return $"{(Accepted ? "accepted" : "REFUSED ")} {File}{(Index > 1 ? $" [{Index}]" : "")} {what}{warnings}";
    }

    private static Hl7CheckWarning InFile(Hl7Warning warning) =>
        new(Words.Of(warning.Code), warning.Code == Hl7WarningCode.BatchCountMismatch ? "BTS-1" : null, warning.Offset);

    // A sender that shifts fields can put anything into MSH-9 and MSH-12; what is no code is not shown.
    private static string? TypeOf(Hl7Message message)
    {
        var type = message["MSH-9[1]"].GetString().Replace(message.Delimiters.Component is 0 ? '^' : (char)message.Delimiters.Component, '^');
        return type.Length is > 2 and <= 30 && type.Split('^').All(IsCode) && char.IsAsciiLetterUpper(type[0]) ? type : null;
    }

    private static string? VersionOf(Hl7Message message)
    {
        var version = message["MSH-12.1"].GetString();
        return version.Length is > 0 and <= 7 && version.All(c => char.IsAsciiDigit(c) || c == '.') ? version : null;
    }

    private static bool IsCode(string part) => part.Length <= 12 && part.All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c) || c == '_');
}

/// <summary>A leniency: its code, where by HL7 address (null: the message as a whole), and at which byte of the file.</summary>
internal sealed record Hl7CheckWarning(string Code, string? At, int Byte);

/// <summary><c>ehrgrains hl7 check</c>.</summary>
internal static class CheckVerb
{
    internal static Verb Build()
    {
        var files = Hl7Files.Argument();
        var strict = new System.CommandLine.Option<bool>("--strict") { Description = "Also compare with the standard's structures, fields and types, and refuse what is not as it says." };
        return new Verb("check", "Reads messages and reports each leniency by code and position, never a value. Exit code 3: not all were accepted.")
        {
            files, strict,
        }.Streams<Hl7Check>(run =>
        {
            int total = 0, accepted = 0;
            var names = Hl7Files.Find(run.Get(files));
            foreach (var found in Hl7Files.Read(names, Hl7ReadOptions.Tolerant, run.Stopping))
            {
                var check = Hl7Check.Of(found, run.Get(strict));
                total++;
                accepted += check.Accepted ? 1 : 0;
                run.Output.WriteLine(check, line => line.ToLine());
            }

            run.Output.WriteTotal($"{accepted} of {total} messages accepted, in {names.Count} files.");
            return Task.FromResult(accepted == total ? ExitCode.Ok : ExitCode.CheckFailed);
        });
    }
}

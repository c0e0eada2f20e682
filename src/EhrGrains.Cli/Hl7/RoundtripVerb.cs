using EhrGrains.Cli.Commands;
using EhrGrains.Cli.Results;
using EhrGrains.Hl7v2.Editing;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Cli.Hl7;

/// <summary>Whether a message came back as it was. <c>At</c>: the first value that did not.</summary>
internal sealed record Hl7Roundtrip(string File, int Index, int Offset, bool Exact, int Values, string? Fault, string? At);

/// <summary><c>ehrgrains hl7 roundtrip</c>: three laws for every message, and the file as a whole.</summary>
internal static class RoundtripVerb
{
    internal static Verb Build()
    {
        var files = Hl7Files.Argument();
        return new Verb("roundtrip", "Reads messages and writes them again: byte for byte, and every value decoded and encoded again. Exit code 3: not all came back.")
        {
            files,
        }.Streams<Hl7Roundtrip>(run =>
        {
            int total = 0, exact = 0;
            var names = Hl7Files.Find(run.Get(files));
            foreach (var found in Hl7Files.Read(names, Hl7ReadOptions.Tolerant, run.Stopping))
            {
                var result = Try(found);
                total++;
                exact += result.Exact ? 1 : 0;
                run.Output.WriteLine(result, ToLine);
            }

            run.Output.WriteTotal($"{exact} of {total} messages came back byte for byte, in {names.Count} files.");
            return Task.FromResult(exact == total ? ExitCode.Ok : ExitCode.CheckFailed);
        });
    }

    /// <summary>
    /// First law: what the editor writes without an edit is what was read. Second: the segments, fields and parts that were found,
    /// joined again, are the message. Third: each value's text, encoded again, reads as the same text.
    /// </summary>
    internal static Hl7Roundtrip Try(Hl7FileMessage found)
    {
        var message = found.Message;
        if (!found.Result.Ok)
        {
            return Failed(Words.Of(found.Result.Fault), null);
        }

        if (!found.Bytes.Span[message.Skipped..].StartsWith(new Hl7Editor(message).ToArray()))
        {
            return Failed("bytes", null);
        }

        var proof = LosslessProof.Of(message);
        return proof.IsLossless
            ? new Hl7Roundtrip(found.File, found.Index, found.Offset, true, proof.Values, null, null)
            : Failed(Words.Of(proof.Fault), proof.At?.ToString());

        Hl7Roundtrip Failed(string fault, string? at) => new(found.File, found.Index, found.Offset, false, 0, fault, at);
    }

    private static string ToLine(Hl7Roundtrip result) =>
        $"{(result.Exact ? "exact  " : "DIFFERS")} {result.File}{(result.Index > 1 ? $" [{result.Index}]" : "")} "
        + (result.Exact ? $"{result.Values} values" : $"{result.Fault}{(result.At is null ? "" : $" at {result.At}")}");
}

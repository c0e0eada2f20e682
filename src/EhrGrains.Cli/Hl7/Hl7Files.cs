using System.Buffers;
using System.CommandLine;
using EhrGrains.Contracts;
using EhrGrains.Hl7v2.Batches;
using EhrGrains.Hl7v2.Messages;

namespace EhrGrains.Cli.Hl7;

/// <summary>
/// One message of a file: its number in the file from 1, where it begins, its bytes and what became of reading them. A file without
/// a message counts as one that was refused.
/// </summary>
internal sealed record Hl7FileMessage(string File, int Index, int Offset, ReadOnlyMemory<byte> Bytes, Hl7ReadResult Result, Hl7Message Message)
{
    /// <summary>What was tolerated outside of the message, in its file: text before it, a batch's wrong count.</summary>
    internal IReadOnlyList<Hl7Warning> FileWarnings { get; init; } = [];
}

/// <summary>Files and folders to messages, one after another: a file may hold one, a batch, a capture of frames, or none.</summary>
internal static class Hl7Files
{
    private const long FileBytesMax = 1L << 30;

    // In a folder, other files are passed over unless they begin like HL7.
    private static readonly HashSet<string> Extensions = new([".hl7", ".hl7v2", ".er7", ".mllp", ".oru", ".adt"], StringComparer.OrdinalIgnoreCase);

    private static readonly SearchValues<byte> Blanks = SearchValues.Create(" \t\r\n\0\u000B\u001C"u8);

    internal static Argument<string[]> Argument() => new("FILE")
    {
        Description = "Files, or folders with all that is in them. A file may hold one message, several, a batch (FHS, BHS) or MLLP frames.",
        Arity = ArgumentArity.OneOrMore,
    };

    /// <summary>The files that the arguments name, in order; a refusal that lists all that are not there.</summary>
    internal static IReadOnlyList<string> Find(IEnumerable<string> paths)
    {
        var files = new List<string>();
        var problems = new List<Problem>();
        foreach (var path in paths)
        {
            if (Directory.Exists(path))
            {
                files.AddRange(Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Where(LooksLikeHl7).Order(StringComparer.Ordinal));
            }
            else if (File.Exists(path))
            {
                files.Add(path);
            }
            else
            {
                problems.Add(new Problem("EHR-HL7-001", path, "There is no such file or folder."));
            }
        }

        if (problems.Count == 0 && files.Count == 0)
        {
            problems.Add(new Problem("EHR-HL7-002", "", "No HL7 file in the folders: name the files, or give them the extension .hl7."));
        }

        return problems.Count == 0 ? files : throw new ProblemException(ProblemKind.Invalid, [.. problems]);
    }

    /// <summary>Reads each message into the same instance: what is yielded is valid until the next.</summary>
    internal static IEnumerable<Hl7FileMessage> Read(IReadOnlyList<string> files, Hl7ReadOptions options, CancellationToken cancellationToken)
    {
        using var message = new Hl7Message(options);
        foreach (var file in files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (new FileInfo(file).Length > FileBytesMax)
            {
                yield return new Hl7FileMessage(file, 1, 0, default, new Hl7ReadResult(Hl7Fault.TooLarge, 0), message);
                continue;
            }

            var bytes = File.ReadAllBytes(file);
            var parts = Hl7Batch.Divide(bytes);
            var warnings = Around(bytes, parts);
            var index = 0;
            foreach (var part in parts.Where(part => part.Kind == Hl7PartKind.Message))
            {
                var own = bytes.AsMemory(part.Start, part.Length);
                yield return new Hl7FileMessage(file, ++index, part.Start, own, message.Read(own), message) { FileWarnings = index == 1 ? warnings : [] };
            }

            // Nothing begins a line with MSH: the reader may still find it, or says why not.
            if (index == 0)
            {
                yield return new Hl7FileMessage(file, 1, 0, bytes, message.Read(bytes), message);
            }
        }
    }

    private static List<Hl7Warning> Around(byte[] bytes, IReadOnlyList<Hl7Part> parts)
    {
        var warnings = new List<Hl7Warning>(Hl7Batch.CheckCounts(bytes, parts));
        foreach (var part in parts.Where(part => part.Kind == Hl7PartKind.Other))
        {
            if (bytes.AsSpan(part.Start, part.Length).ContainsAnyExcept(Blanks))
            {
                warnings.Add(new Hl7Warning(Hl7WarningCode.BytesBeforeHeader, -1, 0, part.Start));
            }
        }

        return warnings;
    }

    private static bool LooksLikeHl7(string file)
    {
        if (Extensions.Contains(Path.GetExtension(file)))
        {
            return true;
        }

        Span<byte> head = stackalloc byte[4096];
        using var stream = File.OpenRead(file);
        var read = stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        return Hl7Batch.Divide(head[..read]).Any(part => part.Kind is Hl7PartKind.Message or Hl7PartKind.Header);
    }
}

using System.Text;
using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;

namespace EhrGrains.Cli.Rosters;

/// <summary>
/// Reads a roster: CSV (RFC 4180) with a header of the columns <c>id</c>, <c>identifier</c> and <c>system</c>, or a JSON array of objects
/// with these names. What is wrong with its form is said all at once, by line and without a value.
/// </summary>
internal static class RosterFile
{
    private const int BytesMax = 64 * 1024 * 1024;
    private const int ProblemsMax = 100;
    private static readonly string[] Columns = ["id", "identifier", "system"];

    internal static async Task<IReadOnlyList<RosterEntry>> ReadAsync(FileInfo file, CancellationToken cancellationToken)
    {
        if (!file.Exists || file.Length > BytesMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-090", "FILE", "There is no such file, or it is larger than 64 MB.");
        }

        var bytes = await File.ReadAllBytesAsync(file.FullName, cancellationToken);
        var text = bytes.AsMemory(bytes.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0);
        var problems = new List<Problem>();
        var entries = text.Span.TrimStart(" \t\r\n"u8).StartsWith("["u8) ? ReadJson(text.Span, problems) : ReadCsv(text.Span, problems);
        if (entries.Count == 0 && problems.Count == 0)
        {
            problems.Add(new("EHR-CLI-091", "FILE", "The roster names no patients."));
        }

        return problems.Count == 0
            ? entries
            : throw new ProblemException(ProblemKind.Invalid, problems.Count <= ProblemsMax
                ? problems
                : [.. problems.Take(ProblemsMax), new("EHR-CLI-092", "FILE", $"{problems.Count - ProblemsMax} more lines are wrong.")]);
    }

    private static List<RosterEntry> ReadCsv(ReadOnlySpan<byte> bytes, List<Problem> problems)
    {
        var (entries, header) = (new List<RosterEntry>(), Array.Empty<string>());
        foreach (var (line, fields) in CsvRows(Encoding.UTF8.GetString(bytes), problems))
        {
            if (header.Length == 0)
            {
                header = [.. fields.Select(field => field.Trim().ToLowerInvariant())];
                if (header.Except(Columns).Any() || header.Distinct().Count() < header.Length || !(header.Contains("id") || header.Contains("identifier")))
                {
                    problems.Add(new("EHR-CLI-093", $"line {line}", "The first line names the columns: id or identifier or both, and system."));
                    return entries;
                }
            }
            else if (fields.Count != header.Length)
            {
                problems.Add(new("EHR-CLI-094", $"line {line}", $"The line has {fields.Count} fields, the header {header.Length}."));
            }
            else
            {
                string? Value(string column) => Array.IndexOf(header, column) is >= 0 and var i && fields[i].Length > 0 ? fields[i] : null;
                entries.Add(new RosterEntry(line, Value("id"), Value("system"), Value("identifier")));
            }
        }

        return entries;
    }

    private static IEnumerable<(int Line, List<string> Fields)> CsvRows(string text, List<Problem> problems)
    {
        var (line, start, fields, field, isQuoted) = (1, 1, new List<string>(), new StringBuilder(), false);
        for (var i = 0; i <= text.Length; i++)
        {
            var c = i < text.Length ? text[i] : '\n';
            if (isQuoted && i < text.Length)
            {
                if (c != '"')
                {
                    line += c == '\n' ? 1 : 0;
                    field.Append(c);
                }
                else if (i + 1 < text.Length && text[i + 1] == '"')
                {
                    field.Append(text[i++]);
                }
                else
                {
                    isQuoted = false;
                }
            }
            else if (c == '"' && field.Length == 0)
            {
                isQuoted = true;
            }
            else if (c is ',' or '\n')
            {
                fields.Add(field.ToString().TrimEnd('\r'));
                field.Clear();
                if (c == '\n')
                {
                    if (isQuoted)
                    {
                        problems.Add(new("EHR-CLI-095", $"line {start}", "A quotation mark is not closed."));
                    }
                    else if (fields.Count > 1 || fields[0].Length > 0)
                    {
                        yield return (start, fields);
                    }

                    (fields, start) = ([], ++line);
                }
            }
            else
            {
                field.Append(c);
            }
        }
    }

    private static List<RosterEntry> ReadJson(ReadOnlySpan<byte> bytes, List<Problem> problems)
    {
        var entries = new List<RosterEntry>();
        var reader = new Utf8JsonReader(bytes, new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        try
        {
            reader.Read();
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                var line = bytes[..(int)reader.TokenStartIndex].Count((byte)'\n') + 1;
                using var item = JsonDocument.ParseValue(ref reader);
                var values = new Dictionary<string, string>(StringComparer.Ordinal);
                if (item.RootElement.ValueKind != JsonValueKind.Object
                    || !item.RootElement.EnumerateObject().All(one =>
                        Columns.Contains(one.Name) && one.Value.ValueKind == JsonValueKind.String && values.TryAdd(one.Name, one.Value.GetString()!)))
                {
                    problems.Add(new("EHR-CLI-096", $"line {line}", "A patient is an object of the texts id, or identifier and system."));
                    continue;
                }

                entries.Add(new RosterEntry(line, values.GetValueOrDefault("id"), values.GetValueOrDefault("system"), values.GetValueOrDefault("identifier")));
            }
        }
        catch (JsonException e)
        {
            problems.Add(new("EHR-CLI-097", $"line {e.LineNumber + 1}", "Here the file is not JSON."));
        }

        return entries;
    }
}

using System.Globalization;
using System.Text.RegularExpressions;
using EhrGrains.Hl7v2.Tables;

namespace EhrGrains.Fhir.V2.Language;

/// <summary>Reads sources: what stands in the first column, in keys and in conditions.</summary>
internal static partial class SourceReader
{
    // The patterns are linear; this is for who changes them.
    private const int TimeoutMilliseconds = 1000;

    internal static bool IsSegment(string id) =>
        id.Length == 3 && SegmentId().IsMatch(id) && (id[0] == 'Z' || Hl7Tables.Fields(id).Count > 0);

    /// <summary>Reads a token; null with a fault when it is no source.</summary>
    internal static SourceRule? Read(Token token, Action<string> fault)
    {
        var text = token.Text;
        if (token.IsQuoted)
        {
            return ReadText(text, fault);
        }

        if (text.StartsWith('@') && text.Length > 1)
        {
            return new ResourceSource(text, text[1..]);
        }

        if (Field().Match(text) is { Success: true } field)
        {
            var segment = field.Groups["s"].Value;
            if (!IsSegment(segment))
            {
                fault($"There is no segment {segment}.");
                return null;
            }

            return new FieldSource(text, segment, Number(field, "f"), Number(field, "c"), Number(field, "u"), Number(field, "to"));
        }

        if (IsSegment(text))
        {
            return new SegmentSource(text, text);
        }

        if (Part().Match(text) is { Success: true } part)
        {
            return new PartSource(text, part.Groups["t"].Value, Number(part, "c"), Number(part, "u"), Number(part, "to"));
        }

        fault($"'{text}' is no source: PID-3.1, CX.4, \"text\" or @Patient.");
        return null;
    }

    /// <summary>Reads <c>A|B</c>.</summary>
    internal static List<SourceRule> ReadAlternatives(Token token, Action<string> fault)
    {
        var sources = new List<SourceRule>();
        foreach (var part in token.IsQuoted ? [token] : token.Text.Split('|').Select(text => new Token(text, false)))
        {
            if (Read(part, fault) is { } source)
            {
                sources.Add(source);
            }
        }

        return sources;
    }

    private static TextSource ReadText(string text, Action<string> fault)
    {
        var texts = new List<string>();
        var holes = new List<SourceRule>();
        var from = 0;
        foreach (Match hole in Hole().Matches(text))
        {
            if (Read(new Token(hole.Groups["source"].Value, false), fault) is { } source)
            {
                texts.Add(text[from..hole.Index]);
                holes.Add(source);
            }

            from = hole.Index + hole.Length;
        }

        texts.Add(text[from..]);
        return new TextSource($"\"{text}\"", texts, holes);
    }

    private static int Number(Match match, string group) =>
        match.Groups[group] is { Success: true } found ? int.Parse(found.ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex("^[A-Z][A-Z0-9]{2}$", RegexOptions.CultureInvariant, TimeoutMilliseconds)]
    private static partial Regex SegmentId();

    [GeneratedRegex(@"^(?<s>[A-Z][A-Z0-9]{2})-(?<f>\d{1,3})(\.(?<c>\d{1,2})(\.(?<u>\d{1,2}))?|\.\.(?<to>\d{1,3}))?$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeoutMilliseconds)]
    private static partial Regex Field();

    [GeneratedRegex(@"^(?<t>[A-Z][A-Z0-9]{1,2})(\.(?<c>\d{1,2})(\.(?<u>\d{1,2})|\.\.(?<to>\d{1,2}))?)?$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeoutMilliseconds)]
    private static partial Regex Part();

    [GeneratedRegex(@"\{(?<source>[^{}]+)\}", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeoutMilliseconds)]
    private static partial Regex Hole();
}

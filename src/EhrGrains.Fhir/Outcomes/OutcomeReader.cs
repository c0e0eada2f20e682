using System.Text.Json;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.Outcomes;

/// <summary>What an EHR's OperationOutcome said besides its issues.</summary>
internal record struct OutcomeReport(bool Complete, bool Incomplete, bool SessionExpired);

/// <summary>
/// Reads an EHR's OperationOutcome: severity and codes, never its text, which may quote what was asked for or found. A code
/// that the vendor profile knows gets the profile's sentence, any other a sentence for its FHIR issue type.
/// </summary>
internal static class OutcomeReader
{
    private const int IssuesMax = 20;

    /// <summary>Reads the OperationOutcome whose start the reader stands on, to its end.</summary>
    internal static void Read(ref Utf8JsonReader reader, VendorProfile profile, List<OutcomeIssue> issues, out OutcomeReport report)
    {
        report = default;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isIssue = reader.ValueTextEquals("issue"u8);
            if (!reader.Read())
            {
                return;
            }

            if (!isIssue || reader.TokenType != JsonTokenType.StartArray)
            {
                if (!reader.TrySkip())
                {
                    return;
                }

                continue;
            }

            if (!ReadIssues(ref reader, profile, issues, ref report))
            {
                return;
            }
        }

        report.Complete = reader.TokenType == JsonTokenType.EndObject;
    }

    private static bool ReadIssues(ref Utf8JsonReader reader, VendorProfile profile, List<OutcomeIssue> issues, ref OutcomeReport report)
    {
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.EndArray:
                    return true;
                case JsonTokenType.StartObject when ReadIssue(ref reader, out var issue):
                    Add(issue, profile, issues, ref report);
                    break;
                case JsonTokenType.StartObject:
                case JsonTokenType.StartArray when !reader.TrySkip():
                    return false;
            }
        }

        return false;
    }

    private static void Add(RawIssue raw, VendorProfile profile, List<OutcomeIssue> issues, ref OutcomeReport report)
    {
        var (code, meaning) = raw.Codes.Append(raw.Type).Where(c => c is not null)
            .Select(c => (Code: c!, Meaning: profile.OutcomeCodes.GetValueOrDefault(c!))).FirstOrDefault(c => c.Meaning is not null);
        report.Incomplete |= meaning?.Incomplete ?? false;
        report.SessionExpired |= meaning?.SessionExpired ?? false;
        if (meaning is { NoResults: true } || issues.Count >= IssuesMax)
        {
            return;
        }

        if (meaning is not null)
        {
            issues.Add(new OutcomeIssue(meaning.Severity, meaning.Issue, meaning.Meaning, code, raw.Expression));
            return;
        }

        var type = raw.Type is not null && IssueTypes.Meanings.ContainsKey(raw.Type) ? raw.Type : "processing";
        var severity = raw.Severity is "fatal" or "error" or "warning" or "information" ? raw.Severity : "error";
        report.Incomplete |= (severity is "fatal" or "error" && type != "not-found")
            || type is "incomplete" or "suppressed" or "forbidden" or "security" or "too-costly" or "throttled";
        issues.Add(new OutcomeIssue(severity, type, IssueTypes.Meanings[type], null, raw.Expression));
    }

    private static bool ReadIssue(ref Utf8JsonReader reader, out RawIssue issue)
    {
        issue = new RawIssue();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isSeverity = reader.ValueTextEquals("severity"u8);
            var isCode = reader.ValueTextEquals("code"u8);
            var isDetails = reader.ValueTextEquals("details"u8);
            var isExpression = reader.ValueTextEquals("expression"u8);
            if (!reader.Read())
            {
                return false;
            }

            if (isDetails && reader.TokenType == JsonTokenType.StartObject)
            {
                ReadDetails(ref reader, issue.Codes);
            }
            else if (isExpression && reader.TokenType == JsonTokenType.StartArray)
            {
                ReadExpressions(ref reader, ref issue);
            }
            else if (reader.TokenType == JsonTokenType.String)
            {
                issue.Severity = isSeverity ? Word(ref reader) : issue.Severity;
                issue.Type = isCode ? Word(ref reader) : issue.Type;
            }
            else if (!reader.TrySkip())
            {
                return false;
            }
        }

        return reader.TokenType == JsonTokenType.EndObject;
    }

    // details.coding[].code: the only "code" that a CodeableConcept holds.
    private static void ReadDetails(ref Utf8JsonReader reader, List<string> codes)
    {
        var floor = reader.CurrentDepth;
        while (reader.Read() && reader.CurrentDepth > floor)
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("code"u8)
                && reader.Read() && reader.TokenType == JsonTokenType.String && Word(ref reader) is { } code)
            {
                codes.Add(code);
            }
        }
    }

    private static void ReadExpressions(ref Utf8JsonReader reader, ref RawIssue issue)
    {
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType == JsonTokenType.String)
            {
                issue.Expression ??= Path(ref reader);
            }
            else if (!reader.TrySkip())
            {
                return;
            }
        }
    }

    /// <summary>A code: short and of plain characters, so that it cannot carry anything else.</summary>
    private static string? Word(ref Utf8JsonReader reader) =>
        reader.ValueSpan.Length <= 32 && !reader.ValueIsEscaped && Consists(reader.ValueSpan, "-") ? reader.GetString() : null;

    /// <summary>An element path or a parameter's name, without values.</summary>
    private static string? Path(ref Utf8JsonReader reader) =>
        reader.ValueSpan.Length <= 128 && !reader.ValueIsEscaped && Consists(reader.ValueSpan, "-._[]") ? reader.GetString() : null;

    private static bool Consists(ReadOnlySpan<byte> text, string others)
    {
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterOrDigit((char)c) && !others.Contains((char)c, StringComparison.Ordinal))
            {
                return false;
            }
        }

        return !text.IsEmpty;
    }

    private struct RawIssue()
    {
        internal string? Severity;
        internal string? Type;
        internal string? Expression;
        internal readonly List<string> Codes = [];
    }
}

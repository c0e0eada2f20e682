using System.Buffers;
using System.Text.Json;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.Outcomes;

/// <summary>One issue of an OperationOutcome, in our words.</summary>
/// <param name="Severity"><c>fatal</c>, <c>error</c>, <c>warning</c> or <c>information</c>.</param>
/// <param name="Code">The FHIR issue type (R4 ValueSet issue-type).</param>
/// <param name="Diagnostics">What it means and what to do. Never an EHR's own text, which may echo PHI.</param>
/// <param name="DetailCode">A code of ours (<c>EHR-…</c>) or of the vendor.</param>
/// <param name="Expression">Where: a FHIRPath or <c>http.{parameter}</c>.</param>
public sealed record OutcomeIssue(string Severity, string Code, string Diagnostics, string? DetailCode = null, string? Expression = null);

/// <summary>Writes and reads OperationOutcome resources.</summary>
public static class OperationOutcomes
{
    /// <summary>The code system of <see cref="OutcomeIssue.DetailCode"/>.</summary>
    public const string DetailSystem = "https://ehrgrains.dev/fhir/outcome";

    /// <summary>Writes an OperationOutcome with the issues, at least one.</summary>
    public static byte[] Write(IEnumerable<OutcomeIssue> issues)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            Write(json, issues);
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>
    /// An EHR's error body in our words; empty when it is not an OperationOutcome. The vendor's code is the detail code: what
    /// else it means (<see cref="OutcomeCode.SessionExpired"/>) is in <see cref="VendorProfile.OutcomeCodes"/>.
    /// </summary>
    public static IReadOnlyList<OutcomeIssue> Read(ReadOnlySpan<byte> body, VendorProfile profile)
    {
        var issues = new List<OutcomeIssue>();
        try
        {
            var ahead = new Utf8JsonReader(body);
            var reader = ahead;
            if (reader.Read() && reader.TokenType == JsonTokenType.StartObject && IsOutcome(ref ahead))
            {
                OutcomeReader.Read(ref reader, profile, issues, out _);
            }

            return issues;
        }
        catch (JsonException)
        {
            // An HTML page, a proxy's text, a cut body: the status has to speak for itself.
            return [];
        }
    }

    private static bool IsOutcome(ref Utf8JsonReader reader)
    {
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isType = reader.ValueTextEquals("resourceType"u8);
            reader.Read();
            if (isType)
            {
                return reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("OperationOutcome"u8);
            }

            reader.Skip();
        }

        return false;
    }

    internal static void Write(Utf8JsonWriter json, IEnumerable<OutcomeIssue> issues)
    {
        json.WriteStartObject();
        json.WriteString("resourceType"u8, "OperationOutcome"u8);
        json.WriteStartArray("issue"u8);
        foreach (var issue in issues)
        {
            json.WriteStartObject();
            json.WriteString("severity"u8, issue.Severity);
            json.WriteString("code"u8, issue.Code);
            if (issue.DetailCode is not null)
            {
                json.WriteStartObject("details"u8);
                json.WriteStartArray("coding"u8);
                json.WriteStartObject();
                json.WriteString("system"u8, DetailSystem);
                json.WriteString("code"u8, issue.DetailCode);
                json.WriteEndObject();
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteString("diagnostics"u8, issue.Diagnostics);
            if (issue.Expression is not null)
            {
                json.WriteStartArray("expression"u8);
                json.WriteStringValue(issue.Expression);
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}

using System.Buffers;
using System.Globalization;
using System.Text.Json;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Writes;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Silo.Gateway;

/// <summary>Receipts of writes as FHIR. Pure.</summary>
internal static class WriteAnswers
{
    /// <summary>The HTTP status that a write has come to; 202 while it is under way.</summary>
    internal static int StatusOf(WriteReceipt receipt) => receipt.State switch
    {
        _ when receipt.SettledAt is null => StatusCodes.Status202Accepted,
        WriteState.Sent or WriteState.Confirmed => receipt.IsUpdate ? StatusCodes.Status200OK : StatusCodes.Status201Created,
        WriteState.Refused => StatusCodes.Status422UnprocessableEntity,
        WriteState.Conflict => receipt.IsUpdate ? StatusCodes.Status412PreconditionFailed : StatusCodes.Status409Conflict,
        WriteState.Unknown => StatusCodes.Status504GatewayTimeout,
        _ => StatusCodes.Status410Gone,
    };

    /// <summary>The state in one word.</summary>
    internal static string Word(WriteState state) => state.ToString().ToLowerInvariant();

    /// <summary>What the caller has to be told.</summary>
    internal static byte[] OutcomeOf(WriteReceipt receipt) => OperationOutcomes.Write(IssuesOf(receipt));

    /// <summary>What a dry run found (R4 operation-validate: one informational issue when there is nothing).</summary>
    internal static byte[] OutcomeOf(IReadOnlyCollection<Problem> problems) => OperationOutcomes.Write(problems.Count == 0
        ? [new OutcomeIssue("information", "informational", "Nothing is wrong as far as can be known without writing: it would be sent.", "EHR-WRT-060")]
        : problems.Select(problem => IssueOf(problem, "error", "invalid")));

    /// <summary>The answer to a request that was not waited for (R4 async-bundle: a batch-response of one entry).</summary>
    internal static byte[] BundleOf(WriteReceipt receipt, string gatewayBase)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("resourceType"u8, "Bundle"u8);
            json.WriteString("type"u8, "batch-response"u8);
            json.WriteStartArray("entry"u8);
            json.WriteStartObject();
            json.WriteStartObject("response"u8);
            var status = StatusOf(receipt);
            json.WriteString("status"u8, string.Create(
                CultureInfo.InvariantCulture, $"{status} {Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(status)}"));
            if (status < 400 && receipt.Id is { } id)
            {
                json.WriteString("location"u8, $"{gatewayBase}/{receipt.Type}/{id}");
            }

            if (receipt.ETag is { } tag)
            {
                json.WriteString("etag"u8, tag);
            }

            json.WritePropertyName("outcome"u8);
            json.WriteRawValue(OutcomeOf(receipt));
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static IEnumerable<OutcomeIssue> IssuesOf(WriteReceipt receipt)
    {
        var status = StatusOf(receipt);
        var (severity, code) = status switch
        {
            < 400 => ("warning", "informational"),
            409 or 412 => ("error", "conflict"),
            422 => ("error", "processing"),
            504 => ("error", "timeout"),
            _ => ("error", "exception"),
        };
        yield return new OutcomeIssue(
            status < 400 ? "information" : "error",
            status < 400 ? "informational" : code,
            string.Create(CultureInfo.InvariantCulture, $"Write {receipt.Number} is {Word(receipt.State)}."),
            "EHR-WRT-061");
        foreach (var problem in receipt.Problems)
        {
            yield return IssueOf(problem, severity, code);
        }

        foreach (var path in receipt.Differences)
        {
            yield return new OutcomeIssue("warning", "informational", "The hospital keeps this element otherwise than it was sent, or not at all.", "EHR-WRT-062", path);
        }
    }

    private static OutcomeIssue IssueOf(Problem problem, string severity, string code) =>
        new(severity, code, problem.Message, problem.Code, problem.Path.Length > 0 ? problem.Path : null);
}

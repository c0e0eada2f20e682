using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Vendors;

namespace EhrGrains.Sandbox.Hospitals;

/// <summary>Writes OperationOutcomes as a vendor does.</summary>
internal static class Outcomes
{
    // The instance (861 here) differs from customer to customer; the end does not.
    private const string EpicCodes = "urn:oid:1.2.840.114350.1.13.861.1.7.2.657369";

    public static Answer Refuse(IVendor vendor, Finding finding)
    {
        var explanation = vendor.Explain(finding.Trouble);
        var answer = Answer.Json(explanation.Status, Write(vendor, [finding]), Answer.FhirJson);
        return finding.Trouble == Trouble.Unauthorized ? answer.With("WWW-Authenticate", "Bearer error=\"invalid_token\"") : answer;
    }

    public static JsonObject Write(IVendor vendor, IEnumerable<Finding> findings) => new()
    {
        ["resourceType"] = "OperationOutcome",
        ["issue"] = new JsonArray([.. findings.Select(finding => Issue(vendor.Explain(finding.Trouble), finding.Parameter))]),
    };

    /// <summary>The same as an entry of a Bundle, after a comma.</summary>
    public static byte[] WriteEntry(IVendor vendor, IEnumerable<Finding> findings) =>
        [(byte)',', .. JsonText.Write(new JsonObject
        {
            ["resource"] = Write(vendor, findings),
            ["search"] = new JsonObject { ["mode"] = "outcome" },
        })];

    private static JsonObject Issue(Explanation explanation, string? parameter)
    {
        var details = new JsonObject { ["text"] = explanation.Text };
        if (explanation.Code is not null)
        {
            details["coding"] = Elements.List(Elements.Coding(EpicCodes, explanation.Code, explanation.Text));
        }

        var issue = new JsonObject { ["severity"] = explanation.Severity, ["code"] = explanation.Issue, ["details"] = details };
        if (parameter is not null)
        {
            issue["diagnostics"] = parameter;
            issue["expression"] = Elements.List("http." + parameter);
        }

        return issue;
    }
}

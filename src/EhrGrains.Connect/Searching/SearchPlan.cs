using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts.Query;
using EhrGrains.Fhir.Outcomes;

namespace EhrGrains.Connect.Searching;

/// <summary>What is sent to an EHR for a query, or every reason why nothing is. Prints without parameters: they may be PHI.</summary>
public sealed record SearchPlan
{
    /// <summary>The request; null when there are <see cref="Problems"/>.</summary>
    public EhrRequest? Request { get; init; }

    /// <summary>The parameters that took part, in the caller's words and order, for the <c>self</c> link.</summary>
    public IReadOnlyList<SearchParameter> Used { get; init; } = [];

    /// <summary>What was left out or changed, for an OperationOutcome entry beside the results.</summary>
    public IReadOnlyList<OutcomeIssue> Warnings { get; init; } = [];

    /// <summary>Everything that is wrong with the query; when there is anything, nothing is sent.</summary>
    public IReadOnlyList<OutcomeIssue> Problems { get; init; } = [];

    /// <inheritdoc/>
    public override string ToString() => $"SearchPlan {Request?.Op} {Problems.Count} problems";
}

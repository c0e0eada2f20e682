using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Writes;

/// <summary>What sending a write has come to.</summary>
internal enum SendOutcome
{
    /// <summary>The EHR has it.</summary>
    Taken,

    /// <summary>The EHR has it certainly not, and may take it another time.</summary>
    NotSent,

    /// <summary>The EHR does not take it, however often it is asked.</summary>
    Refused,

    /// <summary>It is otherwise there than it was known.</summary>
    Conflict,

    /// <summary>It may have arrived.</summary>
    Unclear,
}

/// <summary>What sending a write has come to, and why.</summary>
internal readonly record struct SendResult(SendOutcome Outcome, WriteResult Result, TimeSpan? RetryAfter = null);

/// <summary>What an answer to a write means. Pure.</summary>
internal static class WriteVerdicts
{
    /// <summary>Judges an answer. Whether anything was written to a connection decides what a failure means.</summary>
    internal static SendOutcome Judge(EhrFailure failure, int status, bool isWritten) => failure switch
    {
        EhrFailure.None => SendOutcome.Taken,
        _ when !isWritten => failure is EhrFailure.ForeignOrigin or EhrFailure.EgressRefused ? SendOutcome.Refused : SendOutcome.NotSent,

        // RFC 9110 §15.6.4: 503 is that it cannot handle requests now; 502 and 504 come from somebody before it, who cannot know.
        EhrFailure.Throttled or EhrFailure.Unauthorized => SendOutcome.NotSent,
        EhrFailure.Unavailable => status == 503 ? SendOutcome.NotSent : SendOutcome.Unclear,
        EhrFailure.Rejected => status switch
        {
            408 => SendOutcome.Unclear,
            409 or 412 => SendOutcome.Conflict,
            _ => SendOutcome.Refused,
        },
        EhrFailure.Forbidden or EhrFailure.NotFound or EhrFailure.ResultTooLarge or EhrFailure.Redirected => SendOutcome.Refused,
        _ => SendOutcome.Unclear,
    };

    /// <summary>What the EHR says, in our words: its own texts may echo what was sent.</summary>
    internal static Problem[] Explain(EhrAnswer answer, VendorProfile profile)
    {
        var outcomes = answer.Body.IsEmpty ? [] : OperationOutcomes.Read(answer.Body.Span, profile);
        return [.. outcomes.Select(issue => new Problem(issue.DetailCode ?? "EHR-WRT-040", issue.Expression ?? "", issue.Diagnostics)), answer.Problem!];
    }

    internal static Problem Lost { get; } = new(
        "EHR-WRT-041", "", "The hospital's answer was lost: whether it has the write is looked for before anything is sent again.");

    internal static Problem CannotLook { get; } = new(
        "EHR-WRT-042", "",
        "The hospital's answer was lost, and whether it has the write cannot be found out by a search. Look there: «ehrgrains write retry» if it is not there, «write cancel» if it is.");

    internal static Problem Moved { get; } = new(
        "EHR-WRT-043", "", "The resource has another version than the one to be changed: read it again and change that one.");

    internal static Problem Nowhere { get; } = new("EHR-WRT-044", "", "The hospital has taken the write and does not say where it is; a search does not show it either.");

    internal static Problem NotReadBack { get; } = new("EHR-WRT-045", "", "The hospital has taken the write, but it could not be read back.");

    internal static Problem NoLongerGranted { get; } = new(
        "EHR-WRT-047", "", "The app's grant at the tenant no longer allows this write, and nothing was sent. Grant it again, then «ehrgrains write retry».");

    internal static Problem TooLate { get; } = new("EHR-WRT-046", "", "The hospital could not be reached for a day: the write was given up. «ehrgrains write retry» sends it once more.");
}

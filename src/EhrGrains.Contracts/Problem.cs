namespace EhrGrains.Contracts;

/// <summary>Why a request was refused; decides the HTTP status and the exit code of the command line.</summary>
[GenerateSerializer, Alias("ehr.ProblemKind")]
public enum ProblemKind
{
    /// <summary>The request itself is wrong (400, exit 2).</summary>
    Invalid = 0,

    /// <summary>No or no valid token (401, exit 4).</summary>
    Unauthenticated = 1,

    /// <summary>The caller may not do this (403, exit 4).</summary>
    Forbidden = 2,

    /// <summary>What was named does not exist, or is not the caller's to see (404, exit 5).</summary>
    NotFound = 3,

    /// <summary>The state does not allow it, or changed meanwhile (409, exit 6).</summary>
    Conflict = 4,

    /// <summary>A check failed: for example a new credential that the hospital refuses (422, exit 3).</summary>
    CheckFailed = 5,

    /// <summary>Something that is needed is not there now; try again (503, exit 1).</summary>
    Unavailable = 6,

    /// <summary>What was named is no longer kept (410, exit 5).</summary>
    Gone = 7,
}

/// <summary>One thing that is wrong, by position. Never holds the offending value: it may be PHI or a secret.</summary>
/// <param name="Code">Stable code, for example <c>EHR-TEN-004</c>.</param>
/// <param name="Path">Where: a path such as <c>connection.baseUrl</c>, a parameter name, or empty for the whole.</param>
/// <param name="Message">What is wrong and what to do about it, as a sentence.</param>
[GenerateSerializer, Immutable, Alias("ehr.Problem")]
public sealed record Problem([property: Id(0)] string Code, [property: Id(1)] string Path, [property: Id(2)] string Message);

/// <summary>
/// A refused command or query. Carries every problem found, not only the first. Thrown by grains, mapped to
/// <c>application/problem+json</c> or an OperationOutcome by the gateway and to an exit code by the command line.
/// </summary>
[GenerateSerializer, Alias("ehr.ProblemException")]
public sealed class ProblemException : Exception
{
    /// <summary>Creates a refusal with one problem.</summary>
    public ProblemException(ProblemKind kind, string code, string path, string message)
        : this(kind, [new Problem(code, path, message)])
    {
    }

    /// <summary>Creates a refusal with all problems found; at least one.</summary>
    public ProblemException(ProblemKind kind, IReadOnlyList<Problem> problems)
        : base(string.Join(" ", problems.Select(p => $"[{p.Code}] {(p.Path.Length > 0 ? p.Path + ": " : "")}{p.Message}")))
    {
        Kind = kind;
        Problems = [.. problems];
    }

    /// <summary>Why the request was refused.</summary>
    [Id(0)]
    public ProblemKind Kind { get; }

    /// <summary>Everything that is wrong with it.</summary>
    [Id(1)]
    public Problem[] Problems { get; }
}

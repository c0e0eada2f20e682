using EhrGrains.Contracts;

namespace EhrGrains.Cli.Results;

/// <summary>What the process ends with; part of the command line's contract.</summary>
internal enum ExitCode
{
    /// <summary>Done.</summary>
    Ok = 0,

    /// <summary>It did not work, for example because the cluster is not there.</summary>
    Failed = 1,

    /// <summary>The command line or what it names (a file, a query) is wrong.</summary>
    Usage = 2,

    /// <summary>It was checked and the check failed.</summary>
    CheckFailed = 3,

    /// <summary>Not authenticated or not allowed.</summary>
    Auth = 4,

    /// <summary>What was named does not exist.</summary>
    NotFound = 5,

    /// <summary>The state does not allow it.</summary>
    Conflict = 6,
}

/// <summary>The exit codes of refusals.</summary>
internal static class ExitCodes
{
    internal static ExitCode Of(ProblemKind kind) => kind switch
    {
        ProblemKind.Invalid => ExitCode.Usage,
        ProblemKind.Unauthenticated or ProblemKind.Forbidden => ExitCode.Auth,
        ProblemKind.NotFound or ProblemKind.Gone => ExitCode.NotFound,
        ProblemKind.Conflict => ExitCode.Conflict,
        ProblemKind.CheckFailed => ExitCode.CheckFailed,
        _ => ExitCode.Failed,
    };

    /// <summary>The same for the status of a FHIR answer.</summary>
    internal static ExitCode OfStatus(int status) => status switch
    {
        < 400 => ExitCode.Ok,
        401 or 403 => ExitCode.Auth,
        404 or 410 => ExitCode.NotFound,
        409 or 412 => ExitCode.Conflict,
        429 => ExitCode.Failed,
        < 500 => ExitCode.Usage,
        _ => ExitCode.Failed,
    };
}

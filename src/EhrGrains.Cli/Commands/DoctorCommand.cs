using EhrGrains.Cli.Diagnosis;
using EhrGrains.Cli.Results;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains doctor</c>: looks for what is wrong between here and the cluster.</summary>
internal static class DoctorCommand
{
    internal static Verb Build()
    {
        var (kind, connectionFile) = DbCommand.Options();
        return new Verb("doctor", "Checks context, reachability, token, TLS, clock, environment, and the database when one is named. Exit code 3: something is wrong.")
        {
            kind, connectionFile,
        }.Answers(
            async run =>
            {
                await using var database = await DbCommand.OpenAsync(run, kind, connectionFile);
                return await Checks.RunAsync(run, database);
            },
            findings => Tables.Rows(findings, ("check", f => f.Check), ("state", f => Words.Of(f.State)), ("finding", f => f.Message)),
            findings => findings.Exists(finding => finding.State == CheckState.Failed) ? ExitCode.CheckFailed : ExitCode.Ok);
    }
}

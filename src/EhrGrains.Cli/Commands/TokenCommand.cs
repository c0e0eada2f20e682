using System.CommandLine;
using EhrGrains.Cli.Results;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains token</c>: our sessions with hospitals.</summary>
internal static class TokenCommand
{
    internal static Command Build() => new("token", "Our sessions with hospitals.") { Show() };

    private static Verb Show()
    {
        var tenant = Parameters.Tenant();
        return new Verb("show", "Shows the token session of a tenant, without the token.") { tenant }.Answers(
            async run => await (await run.ConnectAsync()).TokenSession(run.Get(tenant)).DescribeAsync(run.Stopping),
            session => Tables.Facts(
                ("tokens fetched", session.Serial), ("expires", session.ExpiresAt), ("scope", session.Scope),
                ("credential version", session.CredentialVersion), ("last failure", session.LastFailure?.Message)));
    }
}

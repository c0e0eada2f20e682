using System.CommandLine;
using System.CommandLine.Invocation;
using EhrGrains.Cli.Hl7;
using EhrGrains.Cli.Results;

namespace EhrGrains.Cli.Commands;

/// <summary>All commands; one file for each noun.</summary>
internal static class CommandTree
{
    // A listener that is ended first acknowledges what is under way, which a slow disk may hold up.
    private static readonly TimeSpan TerminationTimeout = TimeSpan.FromSeconds(20);

    internal static RootCommand Build()
    {
        var root = new RootCommand("ehrgrains: onboards hospitals, rotates their credentials, queries them. docs/cli.md has the whole reference.")
        {
            TenantCommand.Build(),
            ApplyCommand.Build(),
            CredentialCommand.Build(),
            AppCommand.Build(),
            GrantCommand.Build(),
            GrantCommand.BuildRevoke(),
            VendorCommand.Build(),
            QuirksCommand.Build(),
            ContractCommand.Build(),
            PreflightCommand.Build(),
            QueryCommand.Build(),
            AuditCommand.Build(),
            BudgetCommand.Build(),
            FeedCommand.Build(),
            OutboundCommand.Build(),
            RecordCommand.Build(),
            MappingCommand.Build(),
            SyncCommand.Build(),
            RosterCommand.Build(),
            BulkCommand.Build(),
            WriteCommand.Build(),
            WebhookCommand.Build(),
            Hl7Command.Build(),
            TokenCommand.Build(),
            ContextCommand.Build(),
            DbCommand.Build(),
            DoctorCommand.Build(),
            VersionCommand.Build(),
        };
        GlobalOptions.AddTo(root);
        return root;
    }

    internal static async Task<int> RunAsync(string[] args, CancellationToken cancellationToken)
    {
        var arguments = Build().Parse(args);
        var streams = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = TerminationTimeout };
        if (arguments.Action is not ParseErrorAction)
        {
            return await arguments.InvokeAsync(streams, cancellationToken);
        }

        // Not the library's way, which prints the help to standard output, where only results belong.
        foreach (var error in arguments.Errors)
        {
            await streams.Error.WriteLineAsync($"error: {error.Message}");
        }

        await streams.Error.WriteLineAsync("--help says how the command is written.");
        return (int)ExitCode.Usage;
    }
}

using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Keys;
using Microsoft.Extensions.Logging.Abstractions;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains db</c>: the cluster's database, reached directly. The only commands that need no running silo.</summary>
internal static class DbCommand
{
    // The silo's own settings, so that one environment serves both.
    private const string KindVariable = "EhrGrains__Database__Kind";
    private const string ConnectionVariable = "EhrGrains__Database__ConnectionString";

    private const int ConnectionStringLengthMax = 4_096;

    internal static Command Build() => new("db", "The cluster's database, reached directly.") { Migrate(), Status(), CreateKey() };

    /// <summary>The database that was named by options or environment; null when none was.</summary>
    internal static async Task<Database?> OpenAsync(Invocation run, Option<string?> kindOption, Option<string?> connectionFile)
    {
        var text = run.Get(connectionFile) is { } file
            ? (await File.ReadAllTextAsync(file, run.Stopping)).Trim()
            : Environment.GetEnvironmentVariable(ConnectionVariable);
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        if (text.Length > ConnectionStringLengthMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-110", "--connection-file", "Is too long for a connection string.");
        }

        var word = run.Get(kindOption) ?? Environment.GetEnvironmentVariable(KindVariable) ?? nameof(DatabaseKind.PostgreSql);
        if (!Enum.TryParse<DatabaseKind>(word, ignoreCase: true, out var kind))
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-112", "--kind", "Is sqlite or postgresql.");
        }

        return Database.Open(kind, text, TimeProvider.System, NullLoggerFactory.Instance);
    }

    /// <summary>The options that name a database; the string holds a password and therefore never stands on the command line.</summary>
    internal static (Option<string?> Kind, Option<string?> ConnectionFile) Options() => (
        new Option<string?>("--kind") { Description = $"Which product. Default: ${KindVariable}, else postgresql.", HelpName = "sqlite|postgresql" },
        new Option<string?>("--connection-file") { Description = $"File with the connection string. Default: ${ConnectionVariable}.", HelpName = "FILE" });

    private static Verb Migrate()
    {
        var (kind, connectionFile) = Options();
        return new Verb("migrate", "Applies the migrations that are missing. Forward only; several at once wait for each other.") { kind, connectionFile }.Answers(
            async run =>
            {
                await using var database = await RequireAsync(run, kind, connectionFile);
                var applied = await database.MigrateAsync(run.Stopping);
                return new Migrated(database.Kind.ToString(), [.. applied], [.. await database.PendingMigrationsAsync(run.Stopping)]);
            },
            Show);
    }

    private static Verb Status()
    {
        var (kind, connectionFile) = Options();
        return new Verb("status", "Shows the migrations that are missing. Exit code 3: there are some.") { kind, connectionFile }.Answers(
            async run =>
            {
                await using var database = await RequireAsync(run, kind, connectionFile);
                return new Migrated(database.Kind.ToString(), [], [.. await database.PendingMigrationsAsync(run.Stopping)]);
            },
            Show,
            status => status.Pending.Length == 0 ? ExitCode.Ok : ExitCode.CheckFailed);
    }

    private static Verb CreateKey()
    {
        var file = new Argument<string>("FILE") { Description = "File to write, readable by its owner only." };
        return new Verb("create-key", "Makes the root key that everything in the database is sealed under. Keep a copy where the database is not: without it the data is lost.")
        {
            file,
        }.Answers(
            run =>
            {
                if (File.Exists(run.Get(file)))
                {
                    throw new ProblemException(ProblemKind.Conflict, "EHR-CLI-113", run.Get(file), "The file exists; a root key is not replaced, for nothing could read what it sealed.");
                }

                RootKey.LoadOrCreate(run.Get(file));
                return Task.FromResult(new CreatedFile(run.Get(file)));
            },
            created => Tables.Facts(("root key", created.File)));
    }

    private static async Task<Database> RequireAsync(Invocation run, Option<string?> kind, Option<string?> connectionFile) =>
        await OpenAsync(run, kind, connectionFile)
        ?? throw new ProblemException(
            ProblemKind.Invalid, "EHR-CLI-111", "--connection-file", $"Name the file with the connection string, or set {ConnectionVariable}.");

    private static IRenderable Show(Migrated result) => Tables.Facts(
        ("database", result.Kind), ("applied now", result.Applied.Length > 0 ? result.Applied : ["none"]),
        ("missing", result.Pending.Length > 0 ? result.Pending : ["none"]));
}

/// <summary>A file that was made.</summary>
internal sealed record CreatedFile(string File);

/// <summary>The state of a database's schema.</summary>
/// <param name="Kind">Which product.</param>
/// <param name="Applied">Migrations applied by this command.</param>
/// <param name="Pending">Migrations that are missing.</param>
internal sealed record Migrated(string Kind, string[] Applied, string[] Pending);

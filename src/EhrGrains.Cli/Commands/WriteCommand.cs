using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Writes;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains write</c>: resources that are written back to hospitals.</summary>
internal static class WriteCommand
{
    private const int ListMax = 1_000;

    internal static Command Build() => new("write", "Writes resources back to hospitals, and shows what came of it.")
    {
        Send(), DryRun(), Status(), List(), Retry(), Cancel(),
    };

    private static Verb Send()
    {
        var what = new What();
        var key = Parameters.Text("--key", "TEXT", "What makes it the same write when it is given twice. Default: its content.");
        var wait = new Option<int>("--wait") { Description = "How long to wait for what comes of it.", HelpName = "SECONDS", DefaultValueFactory = _ => 30 };
        return what.AddTo(new Verb("send", "Creates or updates a resource, as an app with a grant; the context must be that app's. Done when it is on disk.") { key, wait }).Answers(
            async run =>
            {
                var write = await what.ReadAsync(run) with { IdempotencyKey = run.Get(key), WaitSeconds = run.Get(wait) };
                return await (await what.ConnectAsync(run)).Writes(run.Get(what.Tenant)).SendAsync(write, run.Stopping);
            },
            Show);
    }

    private static Verb DryRun()
    {
        var what = new What();
        return what.AddTo(new Verb("dry-run", "Says what is wrong with a resource before it is written; writes nothing.")).Runs(async run =>
        {
            var write = await what.ReadAsync(run);
            var problems = await (await what.ConnectAsync(run)).Writes(run.Get(what.Tenant)).CheckAsync(write, run.Stopping);
            run.Output.Write(problems, found => Tables.Rows(found, ("code", p => p.Code), ("where", p => p.Path), ("what", p => p.Message)));
            return problems.Length == 0 ? ExitCode.Ok : ExitCodes.OfStatus(422);
        });
    }

    private static Verb Status()
    {
        var tenant = Parameters.Tenant();
        var number = new Argument<long?>("NUMBER") { Description = "The write; left out: the tenant's outbox.", Arity = ArgumentArity.ZeroOrOne };
        return new Verb("status", "Shows how a write stands, or the tenant's outbox.") { tenant, number }.Runs(async run =>
        {
            var writes = (await run.ConnectAsync()).Writes(run.Get(tenant));
            if (run.Get(number) is { } one)
            {
                run.Output.Write(await writes.ShowAsync(one, run.Stopping), Show);
            }
            else
            {
                run.Output.Write(await writes.StatusAsync(run.Stopping), Show);
            }

            return ExitCode.Ok;
        });
    }

    private static Verb List()
    {
        var tenant = Parameters.Tenant();
        var state = Parameters.OptionalWord<WriteState>("--state", "Only writes in this state.");
        var after = new Option<long>("--after") { Description = "Only those after this number.", HelpName = "NUMBER" };
        return new Verb("list", "Lists writes, at most 1,000, without their content.") { tenant, state, after }.Answers(
            async run => await (await run.ConnectAsync()).Writes(run.Get(tenant)).ListAsync(run.Get(after), run.Get(state), ListMax, run.Stopping),
            writes => Tables.Rows(
                writes,
                ("number", w => w.Number), ("app", w => w.App), ("what", w => $"{(w.IsUpdate ? "update" : "create")} {w.Type}"), ("state", w => Words.Of(w.State)),
                ("accepted", w => w.AcceptedAt), ("tries", w => w.Tries), ("next", w => w.DueAt), ("problem", w => w.Problems.FirstOrDefault()?.Code)));
    }

    private static Verb Retry()
    {
        var (tenant, number) = (Parameters.Tenant(), Number());
        return new Verb("retry", "Sends a write that did not end well once more. Of one whose outcome is unknown: look at the hospital first, it must not be there.")
        {
            tenant, number,
        }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Writes(run.Get(tenant)).RetryAsync(run.Get(number), run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static Verb Cancel()
    {
        var (tenant, number) = (Parameters.Tenant(), Number());
        return new Verb("cancel", "Gives up a write that waits, or whose outcome is unknown.") { tenant, number }.Runs(async run =>
        {
            await (await run.ConnectAsync()).Writes(run.Get(tenant)).CancelAsync(run.Get(number), run.Stopping);
            return ExitCode.Ok;
        });
    }

    private static Argument<long> Number() => new("NUMBER") { Description = "The write's number, as «write list» shows it." };

    private static IRenderable Show(WriteReceipt receipt) => Tables.Facts(
        ("number", receipt.Number), ("state", Words.Of(receipt.State)), ("what", $"{(receipt.IsUpdate ? "update" : "create")} {receipt.Type}"), ("app", receipt.App),
        ("id", receipt.Id), ("version", receipt.ETag), ("accepted", receipt.AcceptedAt), ("settled", receipt.SettledAt), ("tries", receipt.Tries),
        ("next", receipt.DueAt), ("problems", receipt.Problems.Select(problem => $"[{problem.Code}] {problem.Message}")), ("differs", receipt.Differences));

    private static IRenderable Show(WritesStatus status) => Tables.Facts(
        ("open", status.Open), ("oldest since", status.OldestOpenAt), ("failures in a row", status.Failures), ("next try", status.NextTryAt),
        ("last failure", status.LastFailure?.Message), ("writes", status.States.OrderBy(of => of.Key).Select(of => $"{Words.Of(of.Key)}: {of.Value};")));

    /// <summary>What is to be written: the arguments of send and of its dry run.</summary>
    private sealed class What
    {
        private readonly Argument<string> type = new("TYPE") { Description = "The resource type." };
        private readonly Argument<FileInfo> file = new("FILE") { Description = "The resource as FHIR R4 JSON." };
        private readonly Option<string> id = Parameters.Text("--id", "ID", "Update this resource instead of creating one.");
        private readonly Option<string> version = Parameters.Text("--if-match", "ETAG", "The version that an update changes, from a read; * for whichever there is.");

        internal Argument<TenantId> Tenant { get; } = Parameters.Tenant();

        internal Verb AddTo(Verb verb)
        {
            verb.Add(Tenant);
            verb.Add(type);
            verb.Add(file);
            verb.Add(id);
            verb.Add(version);
            return verb;
        }

        internal Task<Contexts.ClusterConnection> ConnectAsync(Invocation run) => run.ConnectToWriteAsync(run.Get(type), isUpdate: run.Get(id) is not null);

        internal async Task<FhirWrite> ReadAsync(Invocation run)
        {
            var path = run.Get(file);
            if (path is not { Exists: true } || path.Length > FhirWrite.BytesMax)
            {
                throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-180", "FILE", $"There is no such file, or it is longer than {FhirWrite.BytesMax} bytes.");
            }

            return new FhirWrite
            {
                Type = run.Get(type),
                Id = run.Get(id),
                IfMatch = run.Get(version),
                Resource = await File.ReadAllBytesAsync(path.FullName, run.Stopping),
                GatewayBase = new Uri((await ConnectAsync(run)).Context.Url, $"/fhir/{run.Get(Tenant)}").AbsoluteUri,
            };
        }
    }
}

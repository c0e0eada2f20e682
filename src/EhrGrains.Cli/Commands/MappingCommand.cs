using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Cli.TenantFiles;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains mapping</c>: how a tenant's HL7 v2 messages become FHIR.</summary>
internal static class MappingCommand
{
    internal static Command Build() => new("mapping", "How a tenant's HL7 v2 messages become FHIR: what went wrong, mapping again, trying a change.")
    {
        Exceptions(), Replay(), Shadow(),
    };

    private static Verb Exceptions()
    {
        var (tenant, kind, feed, count) = (Parameters.Tenant(), Kind(), Feed(), Count(100, "Exceptions to list, 1 to 1,000."));
        return new Verb("exceptions", "Counts what could not be mapped as it should, by kind and place, and lists the newest with their messages.")
        {
            tenant, kind, feed, count,
        }.Answers(
            async run =>
            {
                var grain = (await run.ConnectAsync()).Mapping(run.Get(tenant));
                return new MappingExceptionReport(
                    await grain.CountAsync(run.Stopping), await grain.ListAsync(run.Get(kind), run.Get(feed), run.Get(count), run.Stopping));
            },
            report => new Rows(
                Tables.Rows(report.Counts, ("kind", c => c.Kind), ("where", c => c.Location), ("count", c => c.Count), ("last", c => c.Last)),
                Tables.Rows(
                    report.Newest,
                    ("message", e => $"{e.Feed}/{e.Position}"), ("at", e => e.At), ("kind", e => e.Kind), ("where", e => e.Location), ("what to do", e => e.Message))));
    }

    private static Verb Replay()
    {
        var (tenant, kind, feed, count) = (Parameters.Tenant(), Kind(), Feed(), Count(1_000, "Exceptions to take the messages of, 1 to 1,000."));
        return new Verb("replay", "Maps the messages of exceptions again, after the mapping was changed. They add what is missing and replace nothing that is newer.")
        {
            tenant, kind, feed, count,
        }.Answers(
            async run => await (await run.ConnectAsync()).Mapping(run.Get(tenant)).ReplayAsync(run.Get(kind), run.Get(feed), run.Get(count), run.Stopping),
            replay => Tables.Facts(
                ("messages", replay.Messages), ("versions written", replay.Written), ("exceptions left", replay.Exceptions), ("no longer in the journal", replay.Gone)));
    }

    private static Verb Shadow()
    {
        var path = new Option<string>("--file", "-f") { Description = "A tenant's YAML file with the changed mapping, or a directory of them.", HelpName = "FILE|DIR", Required = true };
        var last = Count(1_000, "Messages of each feed, 1 to 10,000.");
        return new Verb("shadow", "Runs the last messages of each tenant's feeds through its mapping and through a changed one, and shows what differs by element. Changes nothing.")
        {
            path, last,
        }.Answers(run => ShadowAsync(run, run.Get(path), run.Get(last)), Show);
    }

    private static async Task<List<ShadowedTenant>> ShadowAsync(Invocation run, string path, int last)
    {
        var files = await TenantFile.ReadAllAsync(path, run.Stopping);
        ApplyCommand.ThrowIfAny(files.SelectMany(file => file.Problems));
        var cluster = await run.ConnectAsync();
        var shadowed = new List<ShadowedTenant>();
        foreach (var spec in files.Select(file => file.Spec!))
        {
            shadowed.Add(new ShadowedTenant(
                spec.Tenant, await cluster.Mapping(TenantId.Parse(spec.Tenant, null)).ShadowAsync(spec.Mapping, spec.TimeZone, last, run.Stopping)));
        }

        return shadowed;
    }

    private static Rows Show(List<ShadowedTenant> tenants) => new(tenants.SelectMany(tenant => (IRenderable[])
    [
        Tables.Facts(
            ("tenant", tenant.Tenant), ("messages", tenant.Shadow.Messages), ("that differ", tenant.Shadow.Differing),
            ("exceptions now", tenant.Shadow.ExceptionsNow), ("exceptions then", tenant.Shadow.ExceptionsThen)),
        Tables.Rows(
            tenant.Shadow.Elements,
            ("element", e => e.Element), ("added", e => e.Added), ("removed", e => e.Removed), ("changed", e => e.Changed), ("for example", e => e.Example)),
    ]));

    private static Option<string> Kind() => Parameters.Text("--kind", "KIND", "Only exceptions of this kind, for example unknown-code.");

    private static Option<FeedId?> Feed() => new("--feed")
    {
        Description = "Only exceptions of this feed.",
        HelpName = "FEED",
        CustomParser = result =>
        {
            if (!FeedId.TryParse(result.Tokens[0].Value, out var feed))
            {
                result.AddError("--feed has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");
            }

            return feed;
        },
    };

    private static Option<int> Count(int fallback, string description) =>
        new("--count") { Description = description, HelpName = "N", DefaultValueFactory = _ => fallback };
}

/// <summary>What could not be mapped as it should: how much of what, and the newest.</summary>
internal sealed record MappingExceptionReport(MappingExceptionCount[] Counts, MappingExceptionEntry[] Newest);

/// <summary>What a changed mapping would do at a tenant.</summary>
internal sealed record ShadowedTenant(string Tenant, MappingShadow Shadow);

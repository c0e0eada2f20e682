using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Cli.TenantFiles;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains apply</c>: makes tenants what their files state.</summary>
internal static class ApplyCommand
{
    internal static Verb Build()
    {
        var path = new Option<string>("--file", "-f") { Description = "A tenant's YAML file, or a directory of them.", HelpName = "FILE|DIR", Required = true };
        var dryRun = new Option<bool>("--dry-run") { Description = "Only show what would change." };
        return new Verb("apply", "Makes tenants what their files state, and prints the differences. Files with errors: all are named, nothing is changed.")
        {
            path, dryRun,
        }.Answers(run => ApplyAsync(run, run.Get(path), run.Get(dryRun)), Show);
    }

    internal static IRenderable ShowChange(TenantChange change) => Tables.Rows(
        change.Differences, ("setting", d => d.Path), ("before", d => d.Before), ("after", d => d.After));

    private static async Task<List<AppliedFile>> ApplyAsync(Invocation run, string path, bool dryRun)
    {
        var files = await TenantFile.ReadAllAsync(path, run.Stopping);
        ThrowIfAny(files.SelectMany(file => file.Problems));

        // Everything is checked by the cluster, which knows the vendors, before anything is changed.
        var planned = await RegisterAllAsync(run, files, dryRun: true);
        return dryRun ? planned : await RegisterAllAsync(run, files, dryRun: false);
    }

    private static async Task<List<AppliedFile>> RegisterAllAsync(Invocation run, IReadOnlyList<TenantFile> files, bool dryRun)
    {
        var cluster = await run.ConnectAsync();
        var applied = new List<AppliedFile>();
        var problems = new List<FileProblem>();
        foreach (var file in files)
        {
            try
            {
                var spec = file.Spec!;
                var change = await cluster.Tenant(TenantId.Parse(spec.Tenant, null)).RegisterAsync(spec, dryRun, run.Stopping);
                applied.Add(new AppliedFile(file.Name, spec.Tenant, change.Created, change.Differences, change.Version));
            }
            catch (ProblemException refusal) when (refusal.Kind is ProblemKind.Invalid or ProblemKind.Conflict)
            {
                problems.AddRange(file.Place(refusal.Problems));
            }
        }

        ThrowIfAny(problems);
        return applied;
    }

    internal static void ThrowIfAny(IEnumerable<FileProblem> problems)
    {
        var all = problems.Select(problem => problem.ToProblem()).ToArray();
        if (all.Length > 0)
        {
            throw new ProblemException(ProblemKind.Invalid, all);
        }
    }

    private static IRenderable Show(List<AppliedFile> files) => Tables.Rows(
        files.SelectMany(file => file.Differences.DefaultIfEmpty(new Difference("(unchanged)", null, null)).Select(difference => (file, difference))),
        ("tenant", row => row.file.Tenant), ("what", row => row.file.Created ? "create" : row.file.Differences.Length > 0 ? "change" : ""),
        ("setting", row => row.difference.Path), ("before", row => row.difference.Before), ("after", row => row.difference.After));
}

/// <summary>What one file changed, or would change.</summary>
/// <param name="File">The file.</param>
/// <param name="Tenant">Its tenant.</param>
/// <param name="Created">True when the tenant is new.</param>
/// <param name="Differences">What differs; empty: nothing.</param>
/// <param name="Version">The tenant's version.</param>
internal sealed record AppliedFile(string File, string Tenant, bool Created, Difference[] Differences, long Version);

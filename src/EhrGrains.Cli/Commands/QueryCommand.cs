using System.CommandLine;
using System.Text;
using EhrGrains.Cli.Contexts;
using EhrGrains.Cli.Fhir;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains query</c>: FHIR, normalized, as an app gets it. The context must be that of an app with a grant.</summary>
internal static class QueryCommand
{
    /// <summary>The most pages that <c>--all-pages</c> follows: an EHR that pages without end must not fill the disk.</summary>
    private const int PagesMax = 10_000;

    internal static Verb Build()
    {
        var first = new Argument<string>("TENANT") { Description = "The tenant; left out with --federated." };
        var second = new Argument<string?>("QUERY") { Description = "What to ask: 'Patient?family=Smith', or Patient/ID.", Arity = ArgumentArity.ZeroOrOne };
        var federated = new Option<bool>("--federated") { Description = "Ask every tenant where the app has a grant." };
        var allPages = new Option<bool>("--all-pages") { Description = $"Follow next links to the end, at most {PagesMax} pages; with -o json one Bundle per line." };
        var strict = new Option<bool>("--strict") { Description = "Refuse unknown search parameters instead of leaving them out." };
        return new Verb("query", "Asks a tenant, or all of them, and shows normalized FHIR R4. -o json is the FHIR answer as it came.")
        {
            first, second, federated, allPages, strict,
        }.Runs(async run =>
        {
            if (run.Get(federated) != run.Get(second) is null)
            {
                throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-101", "", "Give TENANT and QUERY, or --federated and QUERY.");
            }

            TenantId? tenant = run.Get(federated) ? null : ReadTenant(run.Get(first));
            var query = FhirQuery.Parse(run.Get(second) ?? run.Get(first));
            var target = new Target(await run.ConnectAsync(), tenant, run.Stopping);
            return query.Id is { } id
                ? Show(run, [await target.ReadAsync(query.Type, id)])
                : await SearchAsync(run, target, query, run.Get(allPages), run.Get(strict) ? SearchHandling.Strict : SearchHandling.Lenient);
        });
    }

    private static async Task<ExitCode> SearchAsync(Invocation run, Target target, FhirQuery query, bool allPages, SearchHandling handling)
    {
        var responses = new List<FhirResponse>();
        string? cursor = null;
        for (var page = 0; page < PagesMax; page++)
        {
            var response = await target.SearchAsync(query, handling, cursor);
            cursor = response.Status < 400 ? FhirAnswer.Read(response.Body).NextCursor : null;
            if (allPages && run.Output.Format == OutputFormat.Json)
            {
                // Page by page, so that a long crawl is neither held in memory nor lost when a later page fails.
                run.Output.WriteJson(Encoding.UTF8.GetString(response.Body));
                if (response.Status >= 400)
                {
                    return ExitCodes.OfStatus(response.Status);
                }
            }
            else
            {
                responses.Add(response);
            }

            if (cursor is null || !allPages)
            {
                return responses.Count > 0 ? Show(run, responses) : ExitCode.Ok;
            }
        }

        throw new ProblemException(ProblemKind.CheckFailed, "EHR-CLI-102", "", $"There were more than {PagesMax} pages; narrow the search.");
    }

    private static ExitCode Show(Invocation run, List<FhirResponse> responses)
    {
        var answers = responses.ConvertAll(response => FhirAnswer.Read(response.Body));
        if (run.Output.Format == OutputFormat.Json)
        {
            run.Output.WriteJson(Encoding.UTF8.GetString(responses[0].Body));
        }
        else
        {
            run.Output.Write(answers.SelectMany(answer => answer.Lines), lines => Tables.Rows(
                lines, ("tenant", l => l.Tenant), ("type", l => l.Type), ("id", l => l.Id), ("what", l => l.What), ("when", l => l.When)));
        }

        foreach (var issue in answers.SelectMany(answer => answer.Issues))
        {
            run.Output.Warn(issue);
        }

        if (answers[^1].NextCursor is not null)
        {
            run.Output.Note("There are more pages: --all-pages.");
        }

        return ExitCodes.OfStatus(responses[^1].Status);
    }

    private static TenantId ReadTenant(string text) => TenantId.TryParse(text, out var tenant)
        ? tenant
        : throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-103", "TENANT", "Has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");

    private sealed class Target(ClusterConnection cluster, TenantId? tenant, CancellationToken stopping)
    {
        private readonly string gatewayBase = new Uri(cluster.Context.Url, tenant is { } one ? $"/fhir/{one}" : "/fhir").AbsoluteUri;

        internal Task<FhirResponse> SearchAsync(FhirQuery query, SearchHandling handling, string? cursor)
        {
            var search = new FhirSearch
            {
                Type = query.Type,
                Parameters = query.Search,
                Handling = handling,
                GatewayBase = gatewayBase,
                Cursor = cursor,
            };
            return tenant is { } one ? cluster.Query(one).SearchAsync(search, stopping) : cluster.Federation.SearchAsync(search, stopping);
        }

        internal Task<FhirResponse> ReadAsync(string type, string id) => tenant is { } one
            ? cluster.Query(one).ReadAsync(new FhirRead { Type = type, Id = id, GatewayBase = gatewayBase }, stopping)
            : throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-104", "QUERY", "A read names one tenant; --federated is for searches.");
    }
}

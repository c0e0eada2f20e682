using System.CommandLine;
using System.Globalization;
using EhrGrains.Cli.Results;
using EhrGrains.Connect.DataContracts;
using EhrGrains.Contracts;
using EhrGrains.Contracts.DataContracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.DataContracts;
using EhrGrains.Fhir.Vendors;
using Spectre.Console;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains contract</c>: what an app needs, held against what EHRs offer, sites grant and patients' copies have.</summary>
internal static class ContractCommand
{
    internal static Command Build() => new("contract", "Holds what an app needs (a data contract) against EHR products, sites and what was copied from them.") { Check(), Coverage() };

    private static Verb Check()
    {
        var file = FileArgument();
        var tenants = new Argument<TenantId[]>("TENANT")
        {
            Description = "Tenants whose sites are asked; without one the vendor profiles alone answer. Can be repeated.",
            Arity = ArgumentArity.ZeroOrMore,
            DefaultValueFactory = _ => [],
            CustomParser = result =>
            {
                var ids = new List<TenantId>();
                foreach (var token in result.Tokens)
                {
                    if (TenantId.TryParse(token.Value, out var tenant))
                    {
                        ids.Add(tenant);
                    }
                    else
                    {
                        result.AddError("TENANT has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");
                    }
                }

                return [.. ids];
            },
        };
        var vendors = Parameters.Texts("--vendor", "VENDOR", "Without tenants: this vendor profile alone, else all.");
        return new Verb("check", "Says which scopes to request, how each search is answered, and what the app must have and cannot get (then ends with 3).")
        {
            file, tenants, vendors,
        }.Answers<IReadOnlyList<ContractCheck>>(
            async run =>
            {
                var text = await ReadAsync(run.Get(file), run.Stopping);
                return run.Get(tenants) is { Length: > 0 } named ? await CheckSitesAsync(run, text, named) : CheckVendors(text, run.Get(vendors));
            },
            checks => new Rows(checks.Select(Show)),
            checks => checks.All(check => check.IsMet) ? ExitCode.Ok : ExitCode.CheckFailed);
    }

    private static Verb Coverage()
    {
        var file = FileArgument();
        var tenant = Parameters.Tenant();
        var patients = new Option<int>("--patients") { Description = "How many copied patients to look at, 1 to 1000.", HelpName = "COUNT", DefaultValueFactory = _ => 100 };
        return new Verb("coverage", "Counts the contract's elements in what was copied from a site; ends with 3 when one that the app must have is too rare.")
        {
            file, tenant, patients,
        }.Answers(
            async run =>
            {
                var text = await ReadAsync(run.Get(file), run.Stopping);
                return await (await run.ConnectAsync()).DataContracts(run.Get(tenant)).CoverAsync(text, run.Get(patients), run.Stopping);
            },
            Show,
            coverage => coverage.IsMet ? ExitCode.Ok : ExitCode.CheckFailed);
    }

    private static Argument<FileInfo> FileArgument() => new("FILE") { Description = "The contract: YAML, as deploy/contracts/chronic-care.yaml." };

    /// <summary>The text of a contract. What is wrong with it is said here, by line, before anyone is asked.</summary>
    internal static async Task<string> ReadAsync(FileInfo file, CancellationToken cancellationToken)
    {
        if (!file.Exists)
        {
            throw new ProblemException(ProblemKind.NotFound, "EHR-CLI-140", file.ToString(), "There is no such file.");
        }

        if (file.Length > 4L * DataContractReader.TextMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-141", file.ToString(), "The file is too large for a contract, which has some kilobytes.");
        }

        var text = await File.ReadAllTextAsync(file.FullName, cancellationToken);
        try
        {
            DataContractReader.Read(text);
            return text;
        }
        catch (ProblemException e)
        {
            throw new ProblemException(e.Kind, [.. e.Problems.Select(p => p with { Path = p.Path.Length > 0 ? $"{file}: {p.Path}" : file.ToString() })]);
        }
    }

    private static async Task<IReadOnlyList<ContractCheck>> CheckSitesAsync(Invocation run, string text, TenantId[] tenants)
    {
        var cluster = await run.ConnectAsync();
        var checks = new List<ContractCheck>();
        foreach (var tenant in tenants)
        {
            checks.Add(await cluster.DataContracts(tenant).CheckAsync(text, run.Stopping));
        }

        return checks;
    }

    private static IReadOnlyList<ContractCheck> CheckVendors(string text, string[] vendors)
    {
        var contract = DataContractReader.Read(text);
        return
        [
            .. (vendors.Length > 0 ? vendors : [.. VendorProfiles.All.Select(profile => profile.Id)]).Select(vendor => ContractPlanner.Plan(
                contract,
                VendorProfiles.Find(vendor) ?? throw new ProblemException(
                    ProblemKind.NotFound, "EHR-CLI-070", "--vendor", $"There is no such vendor profile. Known: {string.Join(", ", VendorProfiles.All.Select(p => p.Id))}."))),
        ];
    }

    private static Rows Show(ContractCheck check) => new(
        Tables.Facts(
            ("contract", check.Contract), ("tenant", check.Tenant), ("vendor", check.Vendor), ("met", check.IsMet), ("scopes", string.Join(' ', check.Scopes))),
        Tables.Rows(
            check.Queries,
            ("feature", q => q.Feature), ("search", q => q.Search), ("answered by", q => Words.Of(q.Way)), ("requests", q => q.Requests.Length),
            ("first request", q => q.Requests.FirstOrDefault()), ("why", q => q.Why)),
        check.Findings.Length == 0 ? new Text("") : Tables.Rows(
            check.Findings,
            ("finding", f => f.IsUnmet ? "unmet" : "warning"), ("code", f => f.Code), ("feature", f => f.Feature), ("about", f => f.Subject), ("what", f => f.Message)),
        new Text(""));

    private static Rows Show(ContractCoverage coverage) => new(
        Tables.Facts(("contract", coverage.Contract), ("tenant", coverage.Tenant), ("patients", coverage.Patients), ("met", coverage.IsMet), ("cut", coverage.IsCut ? "yes" : null)),
        Tables.Rows(
            coverage.Types.SelectMany(type => type.Elements.Prepend(null), (type, element) => (type, element)),
            ("feature", row => row.type.Feature),
            ("type", row => row.type.Type),
            ("element", row => row.element?.Element ?? "(resources)"),
            ("present", row => row.element?.Present ?? row.type.Resources),
            ("said absent", row => row.element?.DataAbsent),
            ("absent", row => row.element?.Absent),
            ("share", row => row.element is { } element ? Percent(element.Share) : null),
            ("at least", row => Percent(row.element?.AtLeast)),
            ("need", row => row.type.IsMust && row.element?.IsMust != false ? "must" : "should"),
            ("met", row => row.element is { } element ? element.IsMet || !row.type.IsMust : row.type.Resources > 0 || !row.type.IsMust)));

    private static string? Percent(double? share) => share?.ToString("P0", CultureInfo.InvariantCulture);
}

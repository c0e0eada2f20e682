using System.CommandLine;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains vendor</c>: the EHR products that are known, and what is known of them.</summary>
internal static class VendorCommand
{
    internal static Command Build() => new("vendor", "The EHR products that are known, and what is known of them.") { List(), Show() };

    private static Verb List() => new Verb("list", "Lists the vendor profiles.").Answers(
        static _ => Task.FromResult<IReadOnlyList<VendorSummary>>([.. VendorProfiles.All.Select(Summarize)]),
        vendors => Tables.Rows(
            vendors,
            ("vendor", v => v.Vendor), ("product", v => v.Name), ("signs in with", v => v.AuthMethods), ("types", v => v.ResourceTypes),
            ("copied", v => v.CopiedTypes), ("told of changes", v => v.ByLastUpdated), ("bulk", v => v.Bulk.Select(Words.Of)), ("creates", v => v.Creates)));

    private static Verb Show()
    {
        var vendor = new Argument<string>("VENDOR") { Description = "The profile's id, as «vendor list» shows it." };
        var tenant = Parameters.Text("--tenant", "TENANT", "Show what is otherwise at this tenant: the document, what a look found, what is stated (which wins).");
        return new Verb("show", "Shows a vendor profile: the file with its sources, or what differs from it at a tenant.") { vendor, tenant }.Answers(
            run => ShowAsync(run, run.Get(vendor), run.Get(tenant)),
            Render);
    }

    private static async Task<ShownVendor> ShowAsync(Invocation run, string vendor, string? tenant)
    {
        var profile = VendorProfiles.Find(vendor) ?? throw new ProblemException(
            ProblemKind.NotFound, "EHR-CLI-070", "VENDOR", $"There is no such vendor profile. Known: {string.Join(", ", VendorProfiles.All.Select(p => p.Id))}.");
        if (tenant is null)
        {
            return new ShownVendor(profile.Id, profile.Name, profile.Sources, VendorProfiles.TextOf(vendor)!, null);
        }

        if (!TenantId.TryParse(tenant, out var id))
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-071", "--tenant", "A tenant has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");
        }

        var described = await (await run.ConnectAsync()).Tenant(id).DescribeAsync(run.Stopping);
        var connection = described.Spec.Connection;
        return connection.Vendor == vendor
            ? new ShownVendor(profile.Id, profile.Name, profile.Sources, VendorProfiles.TextOf(vendor)!, ProfileDifferences.Of(connection, described.ProbedProfile))
            : throw new ProblemException(ProblemKind.Conflict, "EHR-CLI-072", "--tenant", $"The tenant is connected by the profile {connection.Vendor}.");
    }

    private static IRenderable Render(ShownVendor shown) => shown.Site switch
    {
        null => new Text(shown.Document),
        [] => new Text("Nothing is otherwise at this tenant."),
        _ => Tables.Rows(
            shown.Site, ("path", d => d.Path), ("document", d => d.Document), ("found", d => d.Found), ("stated", d => d.Stated)),
    };

    private static VendorSummary Summarize(VendorProfile profile) => new(
        profile.Id,
        profile.Name,
        profile.Auth.Methods,
        profile.Resources.Count,
        profile.Sync.Types.Count,
        profile.Sync.Types.Count(t => t.Value.Strategy == SyncStrategy.LastUpdated),
        profile.Bulk.Levels,
        profile.Writes.Create.Count);
}

/// <summary>A vendor profile in a line.</summary>
internal sealed record VendorSummary(
    string Vendor, string Name, IReadOnlyList<string> AuthMethods, int ResourceTypes, int CopiedTypes, int ByLastUpdated, IReadOnlyList<BulkLevel> Bulk, int Creates);

/// <summary>A vendor profile: its file, and what is otherwise at a tenant when one was named.</summary>
internal sealed record ShownVendor(
    string Vendor, string Name, IReadOnlyList<string> Sources, string Document, IReadOnlyList<ProfileDifference>? Site);

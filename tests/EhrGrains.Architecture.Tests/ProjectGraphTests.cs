namespace EhrGrains.Architecture.Tests;

/// <summary>References go one way (docs/architecture.md), and each foreign package has the projects that may know it.</summary>
public sealed class ProjectGraphTests
{
    private static readonly Dictionary<string, string[]> AllowedReferences = new()
    {
        ["EhrGrains.Contracts"] = [],
        ["EhrGrains.Hl7v2"] = [],
        ["EhrGrains.Fhir"] = ["EhrGrains.Contracts", "EhrGrains.Hl7v2"],
        ["EhrGrains.Connect"] = ["EhrGrains.Contracts", "EhrGrains.Hl7v2", "EhrGrains.Fhir"],
        ["EhrGrains.Storage"] = ["EhrGrains.Contracts"],
        ["EhrGrains.Grains"] = ["EhrGrains.Contracts", "EhrGrains.Hl7v2", "EhrGrains.Fhir", "EhrGrains.Connect", "EhrGrains.Storage"],
        ["EhrGrains.Silo"] = ["EhrGrains.Contracts", "EhrGrains.Fhir", "EhrGrains.Connect", "EhrGrains.Storage", "EhrGrains.Grains"],
        ["EhrGrains.Cli"] = ["EhrGrains.Contracts", "EhrGrains.Storage", "EhrGrains.Hl7v2", "EhrGrains.Fhir", "EhrGrains.Connect"],
        ["EhrGrains.Sandbox"] = [],
        ["EhrGrains.Demo"] = ["EhrGrains.Contracts", "EhrGrains.Silo", "EhrGrains.Sandbox", "EhrGrains.Cli"],
    };

    // Package name prefix → the projects of src that may reference it. A package that is not listed is free.
    private static readonly Dictionary<string, string[]> PackageFences = new()
    {
        ["Npgsql"] = ["EhrGrains.Storage"],
        ["Microsoft.Data.Sqlite"] = ["EhrGrains.Storage"],
        ["Microsoft.Orleans.Server"] = ["EhrGrains.Silo"],
        ["Microsoft.Orleans.Client"] = ["EhrGrains.Contracts"],
        ["Microsoft.Orleans.Persistence"] = ["EhrGrains.Storage"],
        ["Microsoft.Orleans.Clustering"] = ["EhrGrains.Storage"],
        ["Hl7.Fhir"] = ["EhrGrains.Fhir", "EhrGrains.Silo"],
        ["OpenIddict"] = ["EhrGrains.Silo"],
        ["OpenTelemetry"] = ["EhrGrains.Silo"],
        ["Polly"] = ["EhrGrains.Connect"],
        ["Duende"] = ["EhrGrains.Connect", "EhrGrains.Cli"],
        ["System.CommandLine"] = ["EhrGrains.Cli", "EhrGrains.Demo"],
        ["Spectre.Console"] = ["EhrGrains.Cli", "EhrGrains.Demo"],
        ["YamlDotNet"] = ["EhrGrains.Fhir", "EhrGrains.Cli"],
    };

    [Fact]
    public void Projects_reference_only_what_the_design_allows() => ReferenceFaults(SourceTree.Projects("src")).ShouldBeEmpty();

    [Fact]
    public void A_reference_against_the_grain_is_found()
    {
        ReferenceFaults([new Project("EhrGrains.Contracts", "", ["EhrGrains.Grains"], [])]).ShouldHaveSingleItem();
        ReferenceFaults([new Project("EhrGrains.Sandbox", "", ["EhrGrains.Contracts"], [])]).ShouldHaveSingleItem();
        ReferenceFaults([new Project("EhrGrains.Unheard", "", [], [])]).ShouldHaveSingleItem();
    }

    [Fact]
    public void Packages_stay_behind_their_fences() => FenceFaults(SourceTree.Projects("src")).ShouldBeEmpty();

    [Fact]
    public void A_package_outside_its_fence_is_found() =>
        FenceFaults([new Project("EhrGrains.Grains", "", [], ["Npgsql", "Microsoft.Orleans.Sdk"])]).ShouldHaveSingleItem();

    [Fact]
    public void No_project_names_a_package_version_of_its_own()
    {
        var faults = SourceTree.Projects("src").Concat(SourceTree.Projects("tests"))
            .SelectMany(project => File.ReadAllLines(Path.Combine(project.Directory, project.Name + ".csproj")))
            .Where(line => line.Contains("<PackageReference", StringComparison.Ordinal) && line.Contains("Version=", StringComparison.Ordinal));
        faults.ShouldBeEmpty();
    }

    private static IReadOnlyList<string> ReferenceFaults(IReadOnlyList<Project> projects) =>
        [.. projects.SelectMany(project => AllowedReferences.TryGetValue(project.Name, out var allowed)
            ? project.ProjectReferences.Except(allowed).Select(reference => $"{project.Name} → {reference}")
            : [$"{project.Name} has no row in the table of allowed references"])];

    private static IReadOnlyList<string> FenceFaults(IReadOnlyList<Project> projects) =>
        [.. from project in projects
            from package in project.PackageReferences
            from fence in PackageFences
            where package.StartsWith(fence.Key, StringComparison.Ordinal) && !fence.Value.Contains(project.Name)
            select $"{project.Name} → {package}"];
}

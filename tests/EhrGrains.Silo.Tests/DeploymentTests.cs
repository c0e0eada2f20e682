using System.Text.RegularExpressions;
using EhrGrains.Silo.Configuration;
using Microsoft.Extensions.Configuration;
using YamlDotNet.RepresentationModel;

namespace EhrGrains.Silo.Tests;

/// <summary>What deploy/ says fits what the silo takes.</summary>
public sealed partial class DeploymentTests
{
    internal static readonly string Root = FindRoot();

    private static readonly string Deploy = Path.Combine(Root, "deploy");

    [Fact]
    public void The_compose_settings_start_a_cluster()
    {
        var settings = File.ReadLines(Path.Combine(Deploy, "compose", "silo.env"))
            .Select(line => line.Split('=', 2))
            .Select(pair => KeyValuePair.Create(pair[0].Replace("__", ":"), (string?)WithExistingFile(pair[0], pair[1])))
            .Append(KeyValuePair.Create("EhrGrains:Silo:Address", (string?)"10.89.7.11"));

        var options = SiloOptionsReader.Read(new ConfigurationBuilder().AddInMemoryCollection(settings).Build());

        options.Mode.ShouldBe(SiloMode.Cluster);
        options.Tls.IsSet.ShouldBeTrue();
    }

    [Fact]
    public void The_compose_file_names_services_that_depend_on_each_other_and_a_containerfile_that_exists()
    {
        var yaml = new YamlStream();
        using (var reader = File.OpenText(Path.Combine(Deploy, "compose", "compose.yaml")))
        {
            yaml.Load(reader);
        }

        var services = (YamlMappingNode)((YamlMappingNode)yaml.Documents[0].RootNode).Children["services"];

        services.Children.Keys.Select(key => key.ToString()).ShouldBe(["postgres", "migrate", "silo-1", "silo-2"]);
        foreach (var dependency in services.Children.Values.OfType<YamlMappingNode>().Where(s => s.Children.ContainsKey("depends_on")))
        {
            ((YamlMappingNode)dependency.Children["depends_on"]).Children.Keys.ShouldAllBe(key => services.Children.ContainsKey(key));
        }

        var build = (YamlMappingNode)((YamlMappingNode)services.Children["migrate"]).Children["build"];
        File.Exists(Path.Combine(Deploy, "compose", build.Children["context"].ToString(), build.Children["dockerfile"].ToString())).ShouldBeTrue();
    }

    [Fact]
    public void The_containerfile_publishes_projects_that_exist_and_runs_as_nobody_special()
    {
        var text = File.ReadAllText(Path.Combine(Deploy, "container", "Containerfile"));

        foreach (Match project in Project().Matches(text))
        {
            Directory.Exists(Path.Combine(Deploy, "..", project.Groups[1].Value)).ShouldBeTrue(project.Value);
        }

        Project().Count(text).ShouldBe(2);
        text.ShouldContain("\nUSER app\n");
        text.ShouldContain("\"EhrGrains.Silo.dll\"");
    }

    [Fact]
    public void The_unit_runs_the_silo_with_nothing_to_gain_and_time_to_drain()
    {
        var unit = File.ReadLines(Path.Combine(Deploy, "systemd", "ehrgrains.service"))
            .Where(line => line.Contains('=') && !line.StartsWith('#'))
            .Select(line => line.Split('=', 2))
            .ToLookup(pair => pair[0], pair => pair[1]);

        unit["ExecStart"].Single().ShouldEndWith("EhrGrains.Silo.dll");
        unit["NoNewPrivileges"].Single().ShouldBe("yes");
        unit["User"].Single().ShouldNotBe("root");
        unit["RestartPreventExitStatus"].Single().ShouldBe("2");
        int.Parse(unit["TimeoutStopSec"].Single(), System.Globalization.CultureInfo.InvariantCulture).ShouldBeGreaterThan(30 + 5);
    }

    // The files of the example live in the container; that they must exist is tested elsewhere.
    private static string WithExistingFile(string name, string value) =>
        name.Contains("Tls__") || name.EndsWith("JwksFile", StringComparison.Ordinal) ? typeof(DeploymentTests).Assembly.Location : value;

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!Directory.Exists(Path.Combine(directory.FullName, "deploy", "compose")))
        {
            directory = directory.Parent ?? throw new DirectoryNotFoundException("deploy/ is not above the tests.");
        }

        return directory.FullName;
    }

    [GeneratedRegex("dotnet publish (src/[A-Za-z.]+)", RegexOptions.NonBacktracking)]
    private static partial Regex Project();
}

using EhrGrains.Storage.GrainStorage;
using Microsoft.Extensions.DependencyInjection;
using Orleans.TestingHost;

namespace EhrGrains.Storage.Tests;

/// <summary>One silo over a test database, as the real one is composed.</summary>
internal static class TestCluster
{
    internal static async Task<InProcessTestCluster> StartAsync(TestDatabase test)
    {
        var builder = new InProcessTestClusterBuilder(1);
        builder.Options.ConfigureFileLogging = false;
        builder.ConfigureSilo((_, silo) =>
        {
            silo.Services.AddSingleton(TimeProvider.System);
            silo.Services.AddSingleton(test.Database);
            silo.Services.AddSingleton(test.Root);
            silo.Services.AddEhrGrainsTables();
            silo.AddEhrGrainsStorage();
        });
        var cluster = builder.Build();
        await cluster.DeployAsync(TestContext.Current.CancellationToken);
        return cluster;
    }
}

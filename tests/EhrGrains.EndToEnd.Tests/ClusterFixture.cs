using EhrGrains.EndToEnd.Tests.Harness;
using EhrGrains.Sandbox;
using EhrGrains.Testing;

namespace EhrGrains.EndToEnd.Tests;

/// <summary>Two silos in two processes over PostgreSQL, shared by the tests that leave them as they found them.</summary>
public sealed class ClusterFixture : IAsyncLifetime
{
    private Cluster? cluster;

    /// <summary>The cluster; skips the test where there is no PostgreSQL.</summary>
    internal Cluster Cluster
    {
        get
        {
            PostgresServer.Require();
            return cluster!;
        }
    }

    /// <summary>The hospitals' contracts in these tests: Epic-like 20 a second, the others as good as unlimited.</summary>
    internal static SandboxOptions Hospitals { get; } = new()
    {
        Seed = 7,
        Patients = 220,
        Sites = new Dictionary<string, SiteOptions>
        {
            ["epic"] = new() { RequestsPerSecond = 20 },
            ["oracle-health"] = new() { RequestsPerSecond = 2_000, KeyRefetchSeconds = 0 },
            ["athenahealth"] = new() { RequestsPerSecond = 2_000 },
        },
    };

    public async ValueTask InitializeAsync()
    {
        if (PostgresServer.IsAvailable)
        {
            cluster = await Harness.Cluster.StartAsync(2, Hospitals, TestContext.Current.CancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (cluster is not null)
        {
            await cluster.DisposeAsync();
        }
    }
}

/// <summary>The tests that share one cluster run one after the other.</summary>
[CollectionDefinition(nameof(ClusterCollection), DisableParallelization = true)]
public sealed class ClusterCollection : ICollectionFixture<ClusterFixture>;

using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Storage.Audit;
using Microsoft.Extensions.DependencyInjection;

namespace EhrGrains.Grains.Tests.Tenants;

/// <summary>Has a cluster of its own: an audit trail that was stopped does not start again.</summary>
public sealed class AuditOutageTests(SqliteGrainCluster cluster) : IClassFixture<SqliteGrainCluster>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task When_the_audit_trail_cannot_be_written_nothing_is_changed()
    {
        await using var hospital = await Hospital.RegisterAsync(cluster);
        using var admin = cluster.EnterAdmin();
        await cluster.Silo(0).GetRequiredService<AuditLog>().StopAsync(Ct);
        await cluster.Silo(1).GetRequiredService<AuditLog>().StopAsync(Ct);

        var refusal = await Should.ThrowAsync<ProblemException>(() => hospital.Grain.ChangeLifecycleAsync(Lifecycle.Suspended, "x", Ct));

        refusal.Kind.ShouldBe(ProblemKind.Unavailable);
        (await hospital.Grain.DescribeAsync(Ct)).Lifecycle.ShouldBe(Lifecycle.Draft);
    }
}

using System.Text.Json;
using EhrGrains.Storage.Audit;
using EhrGrains.Storage.Databases;
using EhrGrains.Storage.Journal;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace EhrGrains.Silo.Health;

/// <summary>
/// <c>/health/live</c>: the process answers; asks nothing else, so that an outage of the database restarts nobody.
/// <c>/health/ready</c>: this silo can serve: database, audit, membership. A hospital that is down is not our readiness.
/// <c>/health/feeds</c>: this silo can take HL7 messages: its journal can be written, and it is not stopping. A load balancer of the
/// MLLP ports asks it; messages that come all the same while it says no are refused for now or held, as their feed says.
/// <c>/health/startup</c>: the start is complete.
/// </summary>
internal static class SiloHealth
{
    internal static void AddSiloHealth(this IServiceCollection services)
    {
        services.AddSingleton<Lifecycle>();
        services.AddHealthChecks()
            .AddCheck<StartedCheck>("started", tags: ["startup", "ready", "feeds"])
            .AddCheck<DatabaseCheck>("database", tags: ["ready"], timeout: TimeSpan.FromSeconds(2))
            .AddCheck<AuditCheck>("audit", tags: ["ready"])
            .AddCheck<JournalCheck>("journal", tags: ["feeds"])
            .AddCheck<MembershipCheck>("membership", tags: ["ready"]);
    }

    internal static void MapSiloHealth(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapHealthChecks("/health/live", Options(_ => false)).AllowAnonymous().DisableRateLimiting();
        endpoints.MapHealthChecks("/health/ready", Options(check => check.Tags.Contains("ready"))).AllowAnonymous().DisableRateLimiting();
        endpoints.MapHealthChecks("/health/feeds", Options(check => check.Tags.Contains("feeds"))).AllowAnonymous().DisableRateLimiting();
        endpoints.MapHealthChecks("/health/startup", Options(check => check.Tags.Contains("startup"))).AllowAnonymous().DisableRateLimiting();
    }

    private static HealthCheckOptions Options(Func<HealthCheckRegistration, bool> predicate) => new() { Predicate = predicate, ResponseWriter = WriteAsync };

    // Names and states only: what a check found is in the logs, not for whoever can reach the port.
    private static Task WriteAsync(HttpContext context, HealthReport report)
    {
        var answer = new
        {
            status = report.Status.ToString(),
            checks = report.Entries.ToDictionary(entry => entry.Key, entry => entry.Value.Status.ToString(), StringComparer.Ordinal),
        };
        return context.Response.WriteAsJsonAsync(answer, JsonSerializerOptions.Web, "application/json", context.RequestAborted);
    }

    /// <summary>Where this process is between starting and stopping.</summary>
    internal sealed class Lifecycle(IHostApplicationLifetime host)
    {
        private volatile bool draining;

        internal bool IsServing => host.ApplicationStarted.IsCancellationRequested && !draining && !host.ApplicationStopping.IsCancellationRequested;

        internal void Drain() => draining = true;
    }

    private sealed class StartedCheck(Lifecycle lifecycle) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
            Task.FromResult(lifecycle.IsServing ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy());
    }

    private sealed class DatabaseCheck(Database database) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        {
            await using var connection = await database.DataSource.OpenConnectionAsync(cancellationToken);
            await using var command = connection.CreateCommand();
            command.CommandText = "SELECT 1";
            await command.ExecuteScalarAsync(cancellationToken);
            return HealthCheckResult.Healthy();
        }
    }

    private sealed class AuditCheck(AuditLog audit) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
            Task.FromResult(audit.IsAvailable ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy());
    }

    private sealed class JournalCheck(JournalWriter journal) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
            Task.FromResult(journal.IsAvailable ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy());
    }

    private sealed class MembershipCheck(ISiloStatusOracle membership) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
            Task.FromResult(membership.CurrentStatus == SiloStatus.Active ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy());
    }
}

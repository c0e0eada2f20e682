using EhrGrains.Silo.Configuration;
using EhrGrains.Silo.Health;
using EhrGrains.Silo.Telemetry;

namespace EhrGrains.Silo.Hosting;

/// <summary>
/// The first thing that happens when a silo stops: readiness is off while everything still works, for as long as load balancers
/// need to notice. Then hosted services stop in reverse order: connections, grains, audit.
/// </summary>
internal sealed class Drain(SiloOptions options, SiloHealth.Lifecycle lifecycle, TimeProvider time, ILogger<Drain> log) : IHostedLifecycleService
{
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        lifecycle.Drain();
        var seconds = options.Http.DrainSeconds!.Value;
        log.Draining(seconds);
        await Task.Delay(TimeSpan.FromSeconds(seconds), time, cancellationToken);
    }

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        log.Serving(options.Http.Url, $"{options.Silo.Address}:{options.Silo.GatewayPort}");
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

internal static class DrainServices
{
    internal static void AddDrain(this IServiceCollection services, SiloOptions options)
    {
        services.AddHostedService<Drain>();
        services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(30 + options.Http.DrainSeconds!.Value));
    }
}

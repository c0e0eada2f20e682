using EhrGrains.Connect;
using EhrGrains.Silo.Admin;
using EhrGrains.Silo.Changes;
using EhrGrains.Silo.Configuration;
using EhrGrains.Silo.Feeds;
using EhrGrains.Silo.Gateway;
using EhrGrains.Silo.Health;
using EhrGrains.Silo.Hosting;
using EhrGrains.Silo.OAuth;
using EhrGrains.Silo.Telemetry;
using Microsoft.Extensions.Options;

namespace EhrGrains.Silo;

/// <summary>A silo with its gateway: the composition root.</summary>
public static class SiloHost
{
    /// <summary>
    /// Puts a silo together from appsettings.json, environment and command line (section <see cref="SiloOptions.Section"/>).
    /// Nothing is opened or listened to before it is started.
    /// </summary>
    /// <exception cref="OptionsValidationException">Settings are unknown or wrong; all of them are named.</exception>
    public static WebApplication Build(string[] args)
    {
        // Settings are read once. A watcher would see every write to a database below the working directory.
        var builder = WebApplication.CreateBuilder([.. args, "--hostBuilder:reloadConfigOnChange=false"]);
        var options = SiloOptionsReader.Read(builder.Configuration);
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton(TimeProvider.System);

        // Started in this order, stopped in the reverse one: http and feeds drain first, then grains; audit log and journal are the last
        // to go.
        builder.AddSiloTelemetry();
        builder.Services.AddSiloStorage(options);
        builder.Services.AddEhrGrainsConnect();
        builder.AddSiloCluster(options);
        if (options.Auth.ExternalIssuer is null)
        {
            builder.Services.AddAuthorizationServer(options);
        }

        builder.Services.AddFirstAdministrator();
        builder.Services.AddSiloHealth();
        builder.Services.AddDrain(options);
        builder.Services.AddGateway(options);
        builder.Services.AddAdmin();
        builder.Services.AddMllp(options);
        builder.AddHttp(options);

        var app = builder.Build();
        app.UseGateway(options);
        app.MapFhir();
        app.MapSubscriptions();
        app.MapWrites();
        app.MapChanges();
        app.MapSmartConfiguration();
        app.MapTenantKeys();
        app.MapAdmin();
        app.MapSiloHealth();
        return app;
    }
}

using System.Diagnostics;
using Microsoft.Extensions.Compliance.Redaction;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.Logging.Console;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace EhrGrains.Silo.Telemetry;

/// <summary>Logs as JSON lines with redaction; traces and metrics by OTLP when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set.</summary>
internal static class SiloTelemetry
{
    // Each of these writes request paths, queries or parameters at some level. No configuration turns them on: a path holds the
    // logical ids of patients, a query their names.
    private static readonly string[] LeakyCategories =
    [
        "Microsoft.AspNetCore.Hosting.Diagnostics", "Microsoft.AspNetCore.Routing", "Microsoft.AspNetCore.Routing.Matching.DfaMatcher",
        "Microsoft.AspNetCore.Routing.EndpointRoutingMiddleware", "Microsoft.AspNetCore.Routing.EndpointMiddleware",
        "Microsoft.AspNetCore.Http.RequestDelegateGenerator", "Microsoft.AspNetCore.Http.RequestDelegateFactory",
        "Microsoft.AspNetCore.Server.Kestrel", "Microsoft.AspNetCore.Server.Kestrel.BadRequests", "Microsoft.AspNetCore.HttpLogging",
        "OpenIddict", "OpenIddict.Server.OpenIddictServerDispatcher", "System.Net.Http", "Npgsql", "Npgsql.Command",
    ];

    private static readonly KeyValuePair<string, string?>[] QuietByDefault =
    [
        new("Logging:LogLevel:Microsoft", "Warning"), new("Logging:LogLevel:Orleans", "Warning"), new("Logging:LogLevel:System", "Warning"),
        new("Logging:LogLevel:Polly", "Warning"),
    ];

    internal static void AddSiloTelemetry(this WebApplicationBuilder builder)
    {
        builder.Configuration.Sources.Insert(0, new MemoryConfigurationSource { InitialData = QuietByDefault });
        builder.Logging.ClearProviders();
        builder.Logging.AddConsole(console => console.FormatterName = JsonLines.FormatterName);
        builder.Logging.AddConsoleFormatter<JsonLines, ConsoleFormatterOptions>();
        foreach (var category in LeakyCategories)
        {
            builder.Logging.AddFilter(category, LogLevel.Warning);
        }

        // Whatever is classified is erased; a class that should be shown in part gets its own redactor where it is defined.
        builder.Logging.EnableRedaction();
        builder.Services.AddRedaction(redaction => redaction.SetFallbackRedactor<ErasingRedactor>());
        builder.Services.AddSingleton<SiloMetrics>();
        if (builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"] is not { Length: > 0 })
        {
            return;
        }

        builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddAttributes([new("service.namespace", "ehrgrains")]))
            .WithTracing(tracing => tracing.AddSiloSources().AddOtlpExporter())
            .WithMetrics(metrics => metrics
                .AddMeter(SiloMetrics.Meter, "Microsoft.Orleans", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Net.Http")
                .AddRuntimeInstrumentation()
                .AddOtlpExporter());
    }

    /// <summary>The sources of our traces, and the processor that takes paths and queries out of them.</summary>
    internal static TracerProviderBuilder AddSiloSources(this TracerProviderBuilder tracing) => tracing
        .AddAspNetCoreInstrumentation(http => http.Filter = context => !context.Request.Path.StartsWithSegments("/health", StringComparison.Ordinal))
        .AddSource(
            "EhrGrains.Gateway", "EhrGrains.Vendor", "EhrGrains.Hl7", "EhrGrains.Sync", "EhrGrains.Mapping", "EhrGrains.Audit",
            "Microsoft.Orleans.Application", "Microsoft.Orleans.Runtime", "Microsoft.Orleans.Storage", "Microsoft.Orleans.Lifecycle")
        .AddProcessor<UrlRedaction>();
}

/// <summary>
/// Takes out of every span what can hold patient data: the path (logical ids) and the query (names, birth dates). The route
/// template, which is the span's name, says which endpoint it was.
/// </summary>
internal sealed class UrlRedaction : BaseProcessor<Activity>
{
    private static readonly string[] Tags = ["url.path", "url.query", "url.full", "http.url", "http.target", "user_agent.original"];

    public override void OnEnd(Activity data)
    {
        foreach (var tag in Tags)
        {
            data.SetTag(tag, null);
        }
    }
}

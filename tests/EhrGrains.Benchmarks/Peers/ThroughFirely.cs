using EhrGrains.Benchmarks.Peers;
using Microsoft.AspNetCore.Http.Features;

[assembly: HostingStartup(typeof(ThroughFirely))]

namespace EhrGrains.Benchmarks.Peers;

/// <summary>
/// The same gateway normalizing through Firely's objects: puts each FHIR answer of a silo through them on its way out. The
/// streaming pass has run before; it is a few percent of what the objects cost.
/// </summary>
internal sealed class ThroughFirely : IHostingStartup, IStartupFilter
{
    /// <summary>The role of the process that does this.</summary>
    internal const string Role = "silo-firely";

    /// <summary>Called at the start of every silo in this program; does something in the one role only.</summary>
    public void Configure(IWebHostBuilder builder)
    {
        if (Environment.GetCommandLineArgs().Contains(Role))
        {
            builder.ConfigureServices(services => services.AddSingleton<IStartupFilter>(this));
        }
    }

    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(PassAsync);
        next(app);
    };

    private static async Task PassAsync(HttpContext context, RequestDelegate next)
    {
        if (!context.Request.Path.StartsWithSegments("/fhir", StringComparison.Ordinal))
        {
            await next(context);
            return;
        }

        var body = context.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
        using var buffer = new MemoryStream();
        context.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(buffer));
        await next(context);
        context.Features.Set(body);
        var passed = FirelyPeer.ThroughObjects(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
        context.Response.ContentLength = passed.Length;
        await context.Response.Body.WriteAsync(passed, context.RequestAborted);
    }
}

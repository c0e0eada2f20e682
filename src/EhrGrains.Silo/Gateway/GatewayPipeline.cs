using System.Threading.RateLimiting;
using EhrGrains.Grains.Callers;
using EhrGrains.Silo.Configuration;
using EhrGrains.Silo.OAuth;
using EhrGrains.Silo.Telemetry;
using Microsoft.AspNetCore.RateLimiting;

namespace EhrGrains.Silo.Gateway;

/// <summary>What every HTTP request goes through, in order.</summary>
internal static class GatewayPipeline
{
    // A token request costs a signature check and a grain call for a client that nobody knows yet.
    private const int TokenRequestsMax = 32;
    private const int TokenRequestsWaitingMax = 512;

    internal static void AddGateway(this IServiceCollection services, SiloOptions options)
    {
        services.AddRouteNames();
        services.AddSingleton<FhirCalls>();
        services.AddSingleton<ExternalIssuer>();

        // It would make a key ring on disk at start, unencrypted, for cookies that nothing here sets.
        services.RemoveAll(typeof(IHostedService), "Microsoft.AspNetCore.DataProtection.Internal.DataProtectionHostedService");
        services.AddRateLimiter(limiter =>
        {
            limiter.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
            limiter.OnRejected = (context, _) => RefuseForNowAsync(context.HttpContext);
            limiter.GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, string>(context => RateLimitPartition.GetConcurrencyLimiter(
                context.Features.Get<Caller>()?.App.Value ?? "",
                _ => new ConcurrencyLimiterOptions { PermitLimit = options.Gateway.ConcurrentRequestsPerApp }));
        });
    }

    internal static void UseGateway(this WebApplication app, SiloOptions options)
    {
        app.UseMiddleware<ResponseHeaders>();
        app.UseMiddleware<Failures>();
        app.UseStatusCodePages(context => Failures.WriteStatusAsync(context.HttpContext));
        app.Use(RefuseTokenInUrlAsync);
        app.UseRouting();
        if (options.Auth.ExternalIssuer is null)
        {
            app.UseWhen(
                context => context.Request.Path.Equals(AuthorizationServer.TokenPath, StringComparison.OrdinalIgnoreCase),
                branch => branch.UseRateLimiter(TokenRequestLimit()));

            // OpenIddict answers from within this middleware, and looks at whatever comes by. The property keeps the host from
            // adding it for every request.
            ((IApplicationBuilder)app).Properties["__AuthenticationMiddlewareSet"] = true;
            app.UseWhen(AuthorizationServer.Serves, branch => branch.UseAuthentication());
        }

        app.UseMiddleware<CallerAuthentication>();
        app.UseRateLimiter();
    }

    private static void RemoveAll(this IServiceCollection services, Type service, string implementation)
    {
        foreach (var descriptor in services.Where(d => d.ServiceType == service && d.ImplementationType?.FullName == implementation).ToList())
        {
            services.Remove(descriptor);
        }
    }

    private static RateLimiterOptions TokenRequestLimit() => new()
    {
        RejectionStatusCode = StatusCodes.Status429TooManyRequests,
        OnRejected = (context, _) => RefuseForNowAsync(context.HttpContext),
        GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, string>(_ => RateLimitPartition.GetConcurrencyLimiter(
            "", _ => new ConcurrencyLimiterOptions { PermitLimit = TokenRequestsMax, QueueLimit = TokenRequestsWaitingMax })),
    };

    private static ValueTask RefuseForNowAsync(HttpContext context)
    {
        context.RequestServices.GetRequiredService<SiloMetrics>().Limited();
        context.Response.Headers.RetryAfter = "1";
        return ValueTask.CompletedTask;
    }

    // URLs end up in the logs of proxies and in browser histories (RFC 6750 §5.3).
    private static Task RefuseTokenInUrlAsync(HttpContext context, RequestDelegate next) =>
        context.Request.Query.ContainsKey("access_token")
            ? Failures.WriteAsync(context, StatusCodes.Status400BadRequest, new Contracts.Problem(
                "EHR-GTW-001", "access_token", "Send the access token in the Authorization header; this one is to be treated as disclosed."))
            : next(context);
}

using System.Net;
using Yarp.ReverseProxy.Forwarder;

namespace EhrGrains.Benchmarks.Peers;

/// <summary>The reference of the gateway benchmark: YARP passes the hospital's bytes on, and does nothing else.</summary>
internal static class YarpPeer
{
    internal static async Task RunAsync(string hospital)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddHttpForwarder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        using var client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            ActivityHeadersPropagator = null,
        });
        var forwarder = app.Services.GetRequiredService<IHttpForwarder>();
        app.Map("/{**path}", async context => await forwarder.SendAsync(context, hospital, client, ForwarderRequestConfig.Empty));
        await app.StartAsync();
        Console.WriteLine($"ready {app.Urls.Single()}");
        await app.WaitForShutdownAsync();
    }
}

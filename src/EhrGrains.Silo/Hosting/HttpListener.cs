using EhrGrains.Silo.Configuration;

namespace EhrGrains.Silo.Hosting;

/// <summary>What Kestrel takes from anybody before we look at it.</summary>
internal static class HttpListener
{
    private const int ConnectionsMax = 12_000;
    private const int HeadersMax = 64;
    private const int HeaderBytesMax = 32 * 1024;
    private const int RequestLineBytesMax = 16 * 1024;
    private const int StreamsPerConnectionMax = 50;

    internal static void AddHttp(this WebApplicationBuilder builder, SiloOptions options)
    {
        builder.WebHost.UseUrls(options.Http.Url);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = ConnectionsMax;
            kestrel.Limits.MaxRequestBodySize = options.Gateway.RequestBodyBytesMax;
            kestrel.Limits.MaxRequestHeaderCount = HeadersMax;

            // One header may be an access token of 16 KiB; a search that needs a longer line goes by POST _search.
            kestrel.Limits.MaxRequestHeadersTotalSize = HeaderBytesMax;
            kestrel.Limits.MaxRequestLineSize = RequestLineBytesMax;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.Limits.Http2.MaxStreamsPerConnection = StreamsPerConnectionMax;
            kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(60);
        });
    }
}

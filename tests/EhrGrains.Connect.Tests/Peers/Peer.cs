using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Connect.Tests.Peers;

/// <summary>A hospital's server on a real socket, which remembers what it was sent.</summary>
internal sealed class Peer : IAsyncDisposable
{
    public const string EmptySearchset = """{"resourceType":"Bundle","type":"searchset"}""";

    private readonly WebApplication app;

    private Peer(WebApplication app, bool tls)
    {
        this.app = app;
        var address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        Port = address.Port;
        Url = tls ? $"https://localhost:{Port}" : $"http://127.0.0.1:{Port}";
    }

    public int Port { get; }

    /// <summary>Without a trailing slash.</summary>
    public string Url { get; }

    public ConcurrentQueue<Received> Requests { get; } = new();

    public static async Task<Peer> StartAsync(Func<HttpContext, Received, Task> answer, X509Certificate2? certificate = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (certificate is not null)
            {
                listen.UseHttps(certificate);
            }
        }));
        var made = builder.Build();
        Peer? peer = null;
        made.Run(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            var received = new Received(
                context.Request.Method,
                context.Request.Path + context.Request.QueryString,
                context.Request.Headers.ToDictionary(static h => h.Key, static h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase),
                await reader.ReadToEndAsync(context.RequestAborted));
            peer!.Requests.Enqueue(received);
            await answer(context, received);
        });
        await made.StartAsync(TestContext.Current.CancellationToken);
        return peer = new Peer(made, certificate is not null);
    }

    public static Task<Peer> StartAsync(params Func<HttpContext, Task>[] answers)
    {
        var next = -1;
        return StartAsync((context, _) => answers[Math.Min(Interlocked.Increment(ref next), answers.Length - 1)](context));
    }

    /// <summary>Answers with this body.</summary>
    public static Func<HttpContext, Task> Says(
        string body, int status = 200, string? contentType = "application/fhir+json", params (string Name, string Value)[] headers) =>
        async context =>
        {
            context.Response.StatusCode = status;
            context.Response.ContentType = contentType;
            foreach (var (name, value) in headers)
            {
                context.Response.Headers[name] = value;
            }

            await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(body), context.RequestAborted);
        };

    /// <summary>Answers with this status and no body.</summary>
    public static Func<HttpContext, Task> Says(int status, params (string Name, string Value)[] headers) => context =>
    {
        context.Response.StatusCode = status;
        foreach (var (name, value) in headers)
        {
            context.Response.Headers[name] = value;
        }

        return Task.CompletedTask;
    };

    /// <summary>Takes the request and never answers.</summary>
    public static Func<HttpContext, Task> KeepsSilent(TaskCompletionSource? arrived = null) => context =>
    {
        arrived?.TrySetResult();
        var aborted = new TaskCompletionSource();
        context.RequestAborted.Register(aborted.SetResult);
        return aborted.Task;
    };

    /// <summary>Sends the headers and the first part of a body, then nothing until the other side gives up.</summary>
    public static Func<HttpContext, Task> Stalls(string first) => async context =>
    {
        context.Response.ContentType = "application/fhir+json";
        await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(first), context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        await KeepsSilent()(context);
    };

    public async ValueTask DisposeAsync()
    {
        // At once: a peer that keeps silent has nothing to finish.
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await app.StopAsync(now.Token);
        await app.DisposeAsync();
    }
}

internal sealed record Received(string Method, string Target, Dictionary<string, string> Headers, string Body)
{
    public Dictionary<string, string> Form =>
        Body.Split('&', StringSplitOptions.RemoveEmptyEntries)
            .Select(static pair => pair.Split('=', 2))
            .ToDictionary(static p => Decode(p[0]), static p => Decode(p[1]), StringComparer.Ordinal);

    private static string Decode(string text) => Uri.UnescapeDataString(text.Replace('+', ' '));
}

using System.Net;
using System.Text.Json;
using Hl7.Fhir.Model;
using Hl7.Fhir.Serialization;
using Task = System.Threading.Tasks.Task;

namespace EhrGrains.Benchmarks.Peers;

/// <summary>
/// A relay that reads each page into Firely's objects and writes it from them. It checks no token, keeps no audit and no budget
/// and changes nothing, so that it is cheaper than our gateway with Firely inside would be.
/// </summary>
internal static class FirelyPeer
{
    private static readonly JsonSerializerOptions Json = new JsonSerializerOptions().ForFhir(ModelInfo.ModelInspector).UsingMode(DeserializationMode.Recoverable);

    internal static byte[] ThroughObjects(ReadOnlySpan<byte> page) =>
        JsonSerializer.SerializeToUtf8Bytes(JsonSerializer.Deserialize<Bundle>(page, Json), Json);

    internal static async Task RunAsync(string hospital)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, AutomaticDecompression = DecompressionMethods.None });
        app.Map("/{**path}", async context =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, hospital + context.Request.Path + context.Request.QueryString);
            request.Headers.TryAddWithoutValidation("Authorization", context.Request.Headers.Authorization.ToString());
            request.Headers.TryAddWithoutValidation("Accept", "application/fhir+json");
            using var answer = await client.SendAsync(request, context.RequestAborted);
            var body = ThroughObjects(await answer.Content.ReadAsByteArrayAsync(context.RequestAborted));
            context.Response.ContentType = "application/fhir+json";
            context.Response.ContentLength = body.Length;
            await context.Response.Body.WriteAsync(body);
        });
        await app.StartAsync();
        Console.WriteLine($"ready {app.Urls.Single()}");
        await app.WaitForShutdownAsync();
    }
}

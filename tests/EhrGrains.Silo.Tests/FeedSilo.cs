using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using EhrGrains.Silo.Configuration;
using EhrGrains.Testing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Silo.Tests;

/// <summary>
/// An embedded silo with both MLLP listeners, and two hospitals. <c>feeds-north</c> sends plain messages as NORTH and, known by its
/// certificate, laboratory messages; what comes is forwarded to <see cref="Receiver"/>. <c>feeds-south</c> sends as SOUTH.
/// </summary>
public sealed class FeedSilo : IAsyncLifetime
{
    private readonly TempDirectory directory = new();
    private WebApplication tokenServer = null!;
    private WebApplication app = null!;
    private TestCertificates authority = null!;

    internal Hl7Receiver Receiver { get; } = new();

    internal HttpClient Http { get; private set; } = null!;

    internal Identity Admin { get; private set; } = null!;

    internal X509Certificate2 NorthCertificate { get; private set; } = null!;

    internal X509Certificate2 StrangeCertificate { get; private set; } = null!;

    internal IServiceProvider Services => app.Services;

    internal MllpListenerOptions Ports => app.Services.GetRequiredService<SiloOptions>().Mllp;

    public async ValueTask InitializeAsync()
    {
        var cancel = TestContext.Current.CancellationToken;
        authority = new TestCertificates(directory.Path, "mllp");
        var server = authority.Silo("localhost");
        NorthCertificate = Load(authority.Client("north"));
        StrangeCertificate = Load(authority.Client("strange"));
        app = SiloHost.Build(RunningSilo.Arguments(
            directory.File("data"), "--Logging:LogLevel:Default=Error", "--EhrGrains:Mllp:TlsPort=0", "--EhrGrains:Webhooks:PrivateNetworks:0=127.0.0.1/32",
            $"--EhrGrains:Mllp:Certificate={server.Certificate}", $"--EhrGrains:Mllp:Key={server.Key}"));
        await app.StartAsync(cancel);
        Http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        Admin = Identity.FromOperatorFile(directory.File("data/operator.json"), "ehrgrains/operate ehrgrains/administer", Http);
        await OpenTokenServerAsync(cancel);
        await OnboardAsync("feeds-north", North(), cancel);
        await OnboardAsync("feeds-south", South(), cancel);

        // The listener knows new feeds within 5 s; what a test of its own proves is not waited for in each of them.
        await Services.GetRequiredService<EhrGrains.Grains.Feeds.FeedDirectory>().RefreshAsync(cancel);
    }

    public async ValueTask DisposeAsync()
    {
        Admin?.Dispose();
        Http?.Dispose();
        await app.StopAsync(CancellationToken.None);
        await app.DisposeAsync();
        await tokenServer.DisposeAsync();
        await Receiver.DisposeAsync();
        authority.Dispose();
        directory.Dispose();
    }

    internal static string Message(string sender, string controlId, string facility = "HOSP") =>
        $"MSH|^~\\&|{sender}|{facility}|EHRGRAINS|US|20260101120000||ADT^A08^ADT_A01|{controlId}|P|2.5.1\rEVN||20260101120000\rPID|1||4711^^^H^MR\r";

    internal Task<string?> SendAsync(string message, CancellationToken cancellationToken) => Mllp.SendAsync(Ports.Port, message, cancellationToken);

    /// <summary>Sends over TLS, showing a certificate.</summary>
    internal async Task<string?> SendTlsAsync(string message, X509Certificate2? certificate, CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, Ports.TlsPort, cancellationToken);
        await using var tls = new SslStream(client.GetStream());
        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = "localhost",
                ClientCertificates = certificate is null ? [] : [certificate],
                CertificateChainPolicy = Trust(),
            },
            cancellationToken);
        await Mllp.WriteAsync(tls, message, cancellationToken);
        return await Mllp.ReadAsync(tls, cancellationToken);
    }

    internal async Task<JsonElement> CallAsync(HttpMethod method, string path, object? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await Admin.TokenAsync(cancellationToken));
        using var answer = await Http.SendAsync(request, cancellationToken);
        var text = await answer.Content.ReadAsStringAsync(cancellationToken);
        answer.IsSuccessStatusCode.ShouldBeTrue(text);
        return text.Length == 0 ? default : JsonDocument.Parse(text).RootElement;
    }

    private object[] North() =>
    [
        new
        {
            feed = "adt",
            displayName = "Admissions",
            inbound = new { match = new { listener = "plain", sendingApplication = "NORTH" }, forwardTo = new[] { "registry" } },
        },
        new
        {
            feed = "lab",
            displayName = "Laboratory",
            inbound = new
            {
                match = new { certificateSha256 = new[] { NorthCertificate.GetCertHashString(HashAlgorithmName.SHA256) }, sendingApplication = "LAB" },
                forwardTo = new[] { "registry" },
            },
        },
        new { feed = "registry", displayName = "Registry", outbound = new { host = "127.0.0.1", port = Receiver.Port, tls = false } },
    ];

    private static object[] South() =>
        [new { feed = "adt", displayName = "Admissions", inbound = new { match = new { sendingApplication = "SOUTH", sendingFacility = "HOSP" } } }];

    // Just enough of an authorization server that a credential can be activated and the tenant opened.
    private async Task OpenTokenServerAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        tokenServer = builder.Build();
        tokenServer.MapPost("/token", () => new { access_token = "t", token_type = "bearer", expires_in = 300, scope = "system/Patient.rs" });
        await tokenServer.StartAsync(cancellationToken);
    }

    private async Task OnboardAsync(string tenant, object[] feeds, CancellationToken cancellationToken)
    {
        var hospital = tokenServer.Urls.Single();
        var spec = new
        {
            tenant,
            displayName = tenant,
            timeZone = "America/Chicago",
            connection = new
            {
                vendor = "us-core",
                baseUrl = $"{hospital}/fhir",
                tokenEndpoint = $"{hospital}/token",
                clientId = "us",
                authMethod = "clientSecretBasic",
                privateNetworks = new[] { "127.0.0.1/32" },
            },
            feeds,
        };
        await CallAsync(HttpMethod.Put, $"/admin/v1/tenants/{tenant}", spec, cancellationToken);
        await CallAsync(
            HttpMethod.Post, $"/admin/v1/tenants/{tenant}/credentials:rotate", new { method = "clientSecretBasic", secret = "a-secret-of-some-length" }, cancellationToken);
        await CallAsync(HttpMethod.Put, $"/admin/v1/tenants/{tenant}/lifecycle", new { lifecycle = "sandbox", reason = "test" }, cancellationToken);
    }

    private X509ChainPolicy Trust()
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(authority.AuthorityFile);
        return policy;
    }

    private static X509Certificate2 Load(EhrGrains.Contracts.Client.MutualTlsOptions files) =>
        X509Certificate2.CreateFromPemFile(files.Certificate, files.Key);
}

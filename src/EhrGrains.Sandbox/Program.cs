using System.Security.Cryptography.X509Certificates;
using EhrGrains.Sandbox;
using EhrGrains.Sandbox.Webhooks;

// Settings are those of SandboxOptions: --BasePort=9101 on the command line, Sandbox__BasePort in the environment.
var configuration = new ConfigurationBuilder()
    .AddInMemoryCollection(new ConfigurationBuilder().AddEnvironmentVariables("Sandbox__").Build().AsEnumerable())
    .AddCommandLine(args)
    .Build();
var options = configuration.Get<SandboxOptions>() ?? new SandboxOptions();
if (configuration["CertificateFile"] is { } certificateFile)
{
    options = options with { Certificate = X509Certificate2.CreateFromPemFile(certificateFile, configuration["CertificateKeyFile"]) };
}

await using var app = SandboxHost.Build(options, logging => logging.AddSimpleConsole().SetMinimumLevel(LogLevel.Warning));
await app.StartAsync();
foreach (var site in SandboxHost.Sites(app))
{
    Console.WriteLine($"{site.DisplayName} ({site.Vendor}): {site.FhirBaseUrl}");
    Console.WriteLine($"    tenant {site.Tenant}, client {site.ClientId}, {site.AuthMethod}; everything else: GET {site.AdminUrl}/site");
}

await using var receiver = options.WebhookPort == 0 ? null : await WebhookReceiver.StartAsync(options.WebhookPort);
if (receiver is not null)
{
    Console.WriteLine($"An application that takes webhooks: {receiver.Url}; what it saw: GET /_sandbox/webhook there");
}

await app.WaitForShutdownAsync();

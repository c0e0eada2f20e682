using System.Globalization;
using System.Net.Sockets;
using System.Text;
using EhrGrains.Cli.Contexts;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Sandbox;
using EhrGrains.Sandbox.Webhooks;

namespace EhrGrains.Demo;

/// <summary>
/// One admission on its way: it comes in over MLLP, the application is told by a signed webhook, and reads the patient from the record,
/// without a word to the hospital.
/// </summary>
internal sealed class Admission(ClusterConnection admin, Application app, SandboxSite site, int port) : IAsyncDisposable
{
    private const int TriesMax = 3;
    private static readonly WebhookId Hook = WebhookId.Parse("demo", null);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    // Nobody of an earlier run.
    private readonly string run = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
    private WebhookReceiver? receiver;

    private TenantId Tenant => TenantId.Parse(site.Tenant, null);

    /// <summary>Where the application takes webhooks.</summary>
    internal Uri Receiver => receiver!.Url;

    internal async Task<string> ShowAsync(CancellationToken cancellationToken)
    {
        receiver = await WebhookReceiver.StartAsync(0, cancellationToken: cancellationToken);
        var webhook = admin.Webhook(Tenant, Hook);
        try
        {
            await webhook.RemoveAsync(cancellationToken);
        }
        catch (ProblemException e) when (e.Kind == ProblemKind.NotFound)
        {
            // There is none of an earlier run.
        }

        var made = await webhook.SetAsync(new WebhookSpec { App = Application.Id, Url = receiver.Url.AbsoluteUri }, cancellationToken);
        CheckFailedException.Unless(made.Status.State == WebhookState.Active, $"The receiver did not accept its webhook: {made.Status.LastFailure?.Message}");
        receiver.Trust(made.Secret!.Value.Reveal());
        for (var attempt = 1; ; attempt++)
        {
            // The first of everything is slower: code is still being compiled.
            var (told, read) = await AdmitAsync(attempt, cancellationToken);
            if (read <= Limit)
            {
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"told by webhook {told.TotalMilliseconds:F0} ms after the hospital began to send, read by FHIR (only-if-cached) after {read.TotalMilliseconds:F0} ms");
            }

            CheckFailedException.Unless(attempt < TriesMax, $"The admission was seen only after {read.TotalSeconds:F1} s.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (receiver is not null)
        {
            await receiver.DisposeAsync();
        }
    }

    private async Task<(TimeSpan Told, TimeSpan Read)> AdmitAsync(int attempt, CancellationToken cancellationToken)
    {
        var begin = TimeProvider.System.GetTimestamp();
        var number = $"{run}{attempt}";
        await SendAsync(
            $"MSH|^~\\&|{site.SendingApplication}|{site.SendingFacility}|EHRGRAINS|US|20260801120000||ADT^A01^ADT_A01|A{number}|P|2.5.1\r"
            + $"EVN|A01|20260801120000\rPID|1||{number}^^^DEMO^MR||ADMITTED^ADA||19800101|F\rPV1|1|I|3W^301^1||||||||||||||||V{number}^^^DEMO^VN\r",
            cancellationToken);
        WebhookArrival arrival;
        do
        {
            arrival = await receiver!.NextAsync(cancellationToken);
        }
        while (arrival.Patient is null || !Encoding.UTF8.GetString(arrival.Body.Span).Contains("\"type\":\"Patient\"", StringComparison.Ordinal));
        var told = TimeProvider.System.GetElapsedTime(begin);
        var (status, body) = await app.GetAsync($"/fhir/{site.Tenant}/Patient/{arrival.Patient}", cancellationToken, "only-if-cached");
        CheckFailedException.Unless(
            status == 200 && Encoding.UTF8.GetString(body).Contains("ADMITTED", StringComparison.OrdinalIgnoreCase),
            $"The admitted patient was announced, and the gateway answered {status}.");
        return (told, TimeProvider.System.GetElapsedTime(begin));
    }

    private async Task SendAsync(string message, CancellationToken cancellationToken)
    {
        using var hospital = new TcpClient();
        await hospital.ConnectAsync("127.0.0.1", port, cancellationToken);
        await hospital.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"\u000b{message}\u001c\r"), cancellationToken);
        var answer = new byte[1024];
        var length = await hospital.GetStream().ReadAsync(answer, cancellationToken);
        CheckFailedException.Unless(
            Encoding.ASCII.GetString(answer, 0, length).Contains("MSA|AA", StringComparison.Ordinal), "The admission was not acknowledged.");
    }
}

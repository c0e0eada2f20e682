using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using EhrGrains.Cli.Contexts;
using EhrGrains.Sandbox;

namespace EhrGrains.Demo;

/// <summary>
/// HL7 v2, live: each hospital sends over MLLP, the silo acknowledges what is on disk, processes it in order and forwards it to a
/// listener at the hospital.
/// </summary>
internal sealed class LiveFeeds(ClusterConnection admin, Hospitals hospitals, int port)
{
    internal const string Inbound = "adt";
    internal const string Outbound = "copy";
    private const int Messages = 100;

    // Control ids are not to be those of an earlier run on the same data: that would be the same messages.
    private readonly string run = "D" + TimeProvider.System.GetUtcNow().ToUnixTimeSeconds().ToString("x", CultureInfo.InvariantCulture);

    /// <summary>Sends, and checks that everything is acknowledged, journaled once, and forwarded in order.</summary>
    internal async Task<string> ShowAsync(Narrator narrator, CancellationToken cancellationToken)
    {
        var lines = await Task.WhenAll(hospitals.Sites.Select(site => SendAsync(site, cancellationToken)));
        narrator.Table(["tenant", "sent", "acknowledged", "sent again", "in the journal", "forwarded, in order"], lines);
        return "over lines that lose acknowledgements and break in the middle of a message: nothing is lost, nothing is there twice";
    }

    /// <summary>Has all hospitals go on sending.</summary>
    internal Task KeepSendingAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(hospitals.Sites.Select(site => hospitals.KeepSendingAsync(site, port, run + "L", cancellationToken)));

    private async Task<string[]> SendAsync(SandboxSite site, CancellationToken cancellationToken)
    {
        var before = await HeadAsync(site, cancellationToken);
        var sent = await hospitals.SendAsync(site, port, run, Messages, cancellationToken);
        var (acknowledged, refused) = (sent.GetProperty("acknowledged").GetInt32(), sent.GetProperty("refused").GetInt32());
        CheckFailedException.Unless(
            (acknowledged, refused) == (Messages, 0), $"{site.Tenant} sent {Messages} messages: {acknowledged} were acknowledged, {refused} refused.");

        var journaled = await HeadAsync(site, cancellationToken) - before;
        CheckFailedException.Unless(journaled == Messages, $"{site.Tenant} sent {Messages} messages, and {journaled} are in the journal.");

        var expected = Ids(sent);
        string[] forwarded;
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        do
        {
            await pace.WaitForNextTickAsync(cancellationToken);
            forwarded = [.. Ids(await hospitals.ReceivedAsync(site, cancellationToken)).Where(id => id.StartsWith(run, StringComparison.Ordinal)).Distinct()];
        }
        while (forwarded.Length < Messages);
        CheckFailedException.Unless(forwarded.SequenceEqual(expected), $"The messages of {site.Tenant} were forwarded in another order than they were acknowledged in.");
        return [site.Tenant, Number(Messages), Number(acknowledged), sent.GetProperty("resent").ToString(), Number(journaled), Number(forwarded.Length)];
    }

    // The last position of the feed's journal.
    private async Task<long> HeadAsync(SandboxSite site, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/admin/v1/tenants/{site.Tenant}/feeds/{Inbound}");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await admin.Tokens.GetAsync(cancellationToken));
        using var response = await admin.Http.SendAsync(request, cancellationToken);
        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync<JsonElement>(cancellationToken)).GetProperty("inbound").GetProperty("head").GetInt64();
    }

    private static string[] Ids(JsonElement reading) => [.. reading.GetProperty("acknowledgedIds").EnumerateArray().Select(id => id.GetString()!)];

    private static string Number(long n) => n.ToString(CultureInfo.InvariantCulture);
}

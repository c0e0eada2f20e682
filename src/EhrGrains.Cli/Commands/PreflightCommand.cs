using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using EhrGrains.Cli.Contexts;
using EhrGrains.Cli.Results;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.DataContracts;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace EhrGrains.Cli.Commands;

/// <summary><c>ehrgrains preflight</c>: tries a site, and says what the hospital or the operator should change.</summary>
internal static class PreflightCommand
{
    // Beside those of the cluster: only from outside it can be seen what a hospital sees.
    private static readonly PreflightCheck Reachable = new(
        "EHR-PRE-505", "credential.reachable", null, PreflightState.Skipped, "", null, PreflightOwner.Operator);

    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan KeysPatience = TimeSpan.FromSeconds(10);

    // Of the time that the command has: to connect before the run, and to look for the keys after it.
    private const int SecondsBeside = 25;
    private const int SecondsMin = 5;

    internal static Verb Build()
    {
        var tenant = Parameters.Tenant();
        var patient = Parameters.Text("--patient", "ID", "The logical id of a test patient: searches, pages and reads are tried with it, and skipped without.");
        var types = Parameters.Texts("--type", "TYPE", "Try only this resource type.");
        var contract = new Option<FileInfo?>("--contract") { Description = "Try the searches of this data contract instead of those that copies make.", HelpName = "FILE" };
        var send = new Option<bool>("--send") { Description = "Send each outbound feed a message about nothing (NMD^N02) and wait for its acknowledgement; else only connect." };
        var requests = new Option<int>("--requests") { Description = "Send at most this many FHIR requests, 10 to 1,000.", HelpName = "N", DefaultValueFactory = _ => 200 };
        var html = Parameters.Text("--html", "FILE", "Also write the report as a page that can be sent to the hospital and printed.");
        var keys = Parameters.Text("--jwks-url", "URL", "Where the hospital fetches our public keys [default: the context's gateway].");
        return new Verb("preflight", "Tries a site with at least forty checks, and says what the hospital or the operator should change. Exit code 3: something failed.")
        {
            tenant, patient, types, contract, send, requests, html, keys,
        }.Answers(
            async run =>
            {
                var request = new PreflightRequest
                {
                    Patient = run.Get(patient),
                    Types = run.Get(types),
                    Searches = run.Get(contract) is { } file ? await ReadContractAsync(file, run.Stopping) : [],
                    Send = run.Get(send),
                    RequestsMax = run.Get(requests),
                    Seconds = Math.Clamp(run.Get(GlobalOptions.TimeoutSeconds) - SecondsBeside, SecondsMin, PreflightRequest.SecondsMax),
                };
                var report = await RunAsync(run, run.Get(tenant), request, run.Get(keys));
                if (run.Get(html) is { } page)
                {
                    await File.WriteAllTextAsync(page, PreflightPage.Write(report), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), run.Stopping);
                    run.Output.Note($"Written to {page}.");
                }

                return report;
            },
            Show,
            report => report.Checks.Any(check => check.State == PreflightState.Failed) ? ExitCode.CheckFailed : ExitCode.Ok);
    }

    private static async Task<PreflightReport> RunAsync(Invocation run, TenantId tenant, PreflightRequest request, string? keysUrl)
    {
        var cluster = await run.ConnectAsync();
        var preflight = cluster.Preflight(tenant);
        var plan = await preflight.PlanAsync(request, run.Stopping);
        run.Output.Note($"Sends at most {plan.Requests} FHIR requests about {plan.Types.Length} resource types, within the site's budget.");
        var running = preflight.RunAsync(request, run.Stopping);
        for (var seen = 0; !running.IsCompleted;)
        {
            var found = await preflight.ProgressAsync(seen, run.Stopping);
            foreach (var check in found)
            {
                run.Output.Note($"{Words.Of(check.State),-8} {check.Name} {check.Target}".TrimEnd());
            }

            seen += found.Length;
            if (found.Length == 0)
            {
                await Task.WhenAny(running, Task.Delay(Beat, TimeProvider.System, run.Stopping));
            }
        }

        var report = await running;
        var reachable = await CheckKeysAsync(cluster, tenant, keysUrl, run.Stopping);
        return report with { Checks = [.. report.Checks.Append(reachable).OrderBy(static check => check.Code, StringComparer.Ordinal)] };
    }

    private static async Task<PreflightSearch[]> ReadContractAsync(FileInfo file, CancellationToken cancellationToken)
    {
        var contract = DataContractReader.Read(await ContractCommand.ReadAsync(file, cancellationToken));
        return
        [
            .. contract.Needs
                .SelectMany(need => need.Resource.Searches.DefaultIfEmpty(new ContractSearch(need.Resource.Type, [])), (need, search) => (search, need.Resource.IsMust))
                .GroupBy(need => need.search.ToString())
                .Select(needs => (needs.First().search, IsMust: needs.Any(need => need.IsMust)))
                .Select(need => new PreflightSearch(need.search.Type, [.. need.search.Parameters.Select(p => new SearchParameter(p.Key, p.Value ?? ""))], need.IsMust)),
        ];
    }

    /// <summary>Whether our public keys can be had where a hospital gets them: without a token, by the published URL.</summary>
    private static async Task<PreflightCheck> CheckKeysAsync(ClusterConnection cluster, TenantId tenant, string? keysUrl, CancellationToken cancellationToken)
    {
        var described = await cluster.Tenant(tenant).DescribeAsync(cancellationToken);
        if (described.Credentials.FirstOrDefault(credential => credential.State == CredentialState.Active) is not { KeyId: { } keyId })
        {
            return Reachable with { Seen = "The active credential has no public key." };
        }

        const string Change = "Let hospitals reach /tenants/{tenant}/jwks.json from the public internet, and give them that URL.";
        if (!Uri.TryCreate(cluster.Context.Url, keysUrl ?? $"/tenants/{tenant}/jwks.json", out var url) || url.Scheme is not ("https" or "http"))
        {
            return Reachable with { State = PreflightState.Failed, Seen = "The URL of the public keys is none.", Change = "State --jwks-url as an absolute https URL." };
        }

        try
        {
            using var http = ClusterConnection.NewHttpClient(cluster.Context);
            http.Timeout = KeysPatience;
            using var response = await http.GetAsync(url, cancellationToken);
            if (!response.IsSuccessStatusCode)
            {
                return Reachable with { State = PreflightState.Failed, Seen = $"{url.Authority} answered {(int)response.StatusCode}.", Change = Change };
            }

            using var keys = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken));
            var isThere = keys.RootElement.TryGetProperty("keys", out var list) && list.EnumerateArray().Any(key => key.TryGetProperty("kid", out var kid) && kid.GetString() == keyId);
            return !isThere ? Reachable with { State = PreflightState.Failed, Seen = $"The active key is not among those at {url.Authority}.", Change = "Give hospitals the URL of this cluster's keys; look for a cache in between." }
                : url.Scheme == "http" && !url.IsLoopback ? Reachable with { State = PreflightState.Warning, Seen = $"{url.Authority} shows the active key, in plain.", Change = "Publish the keys by https." }
                : Reachable with { State = PreflightState.Passed, Seen = $"{url.Authority} shows the active key to this machine." };
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or InvalidOperationException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return Reachable with { State = PreflightState.Failed, Seen = $"{url.Authority} does not show them ({e.GetType().Name}).", Change = Change };
        }
    }

    private static IRenderable Show(PreflightReport report) => new Rows(
        Tables.Facts(
            ("hospital", report.DisplayName), ("tenant", report.Tenant), ("vendor", report.Vendor), ("url", report.BaseUrl), ("tried", report.StartedAt),
            ("requests", report.Requests), ("result", Summary(report))),
        new Text(""),
        Tables.Rows(
            report.Checks,
            ("code", c => c.Code), ("check", c => c.Name), ("of", c => c.Target), ("state", c => Words.Of(c.State)), ("seen", c => c.Seen),
            ("who", c => c.Change is null ? null : Words.Of(c.Owner)), ("change", c => c.Change)));

    /// <summary>How many ended how.</summary>
    internal static string Summary(PreflightReport report) => string.Join(", ", Enum.GetValues<PreflightState>()
        .Select(state => (Word: Words.Of(state), Count: report.Checks.Count(check => check.State == state)))
        .Where(part => part.Count > 0).Select(part => string.Create(CultureInfo.InvariantCulture, $"{part.Count} {part.Word}")));
}

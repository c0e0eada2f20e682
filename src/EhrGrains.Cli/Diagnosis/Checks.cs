using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EhrGrains.Cli.Commands;
using EhrGrains.Cli.Contexts;
using EhrGrains.Contracts;
using EhrGrains.Storage.Databases;

namespace EhrGrains.Cli.Diagnosis;

/// <summary>How a check ended.</summary>
internal enum CheckState
{
    /// <summary>As it should be.</summary>
    Passed,

    /// <summary>It works, and should be looked at.</summary>
    Warning,

    /// <summary>It does not work, or is dangerous.</summary>
    Failed,

    /// <summary>Not looked at: an earlier check failed, or there is nothing to look at.</summary>
    Skipped,
}

/// <summary>What a check found.</summary>
/// <param name="Check">Which check.</param>
/// <param name="State">How it ended.</param>
/// <param name="Message">What was found, and what to do about it.</param>
internal sealed record Finding(string Check, CheckState State, string Message);

/// <summary>The doctor's checks, each by itself, so that all that is wrong is seen at once.</summary>
internal static class Checks
{
    private static readonly TimeSpan SkewMax = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan CertificateWarning = TimeSpan.FromDays(30);

    // What turns the scrubbing of URLs in traces and logs off: patients' names are in the queries of searches.
    private static readonly string[] Unscrubbing = ["_DISABLEURIREDACTION", "_DISABLE_URL_QUERY_REDACTION"];

    private static readonly string[] NeedContext = ["http", "clock", "tls", "token", "gateway"];

    internal static async Task<List<Finding>> RunAsync(Invocation run, Database? database)
    {
        var findings = new List<Finding> { CheckEnvironment() };
        ClusterContext? context = null;
        findings.Add(await AttemptAsync("context", () =>
        {
            context = run.ReadContext();
            return Task.FromResult(CheckPermissions(run.ContextPath, context));
        }));
        if (context is null)
        {
            findings.AddRange(NeedContext.Select(check => new Finding(check, CheckState.Skipped, "There is no context.")));
        }
        else
        {
            findings.AddRange(await CheckHttpAsync(context, run.Stopping));
            findings.Add(CheckCertificate(context));
            findings.AddRange(await CheckClusterAsync(run, context));
        }

        findings.Add(database is null
            ? new Finding("database", CheckState.Skipped, "None was named; --connection-file names one.")
            : await AttemptAsync("database", async () =>
            {
                await database.CheckAsync(run.Stopping);
                return Passed("database", "Keeps what it acknowledges, and its schema is up to date.");
            }));
        return findings;
    }

    private static Finding CheckEnvironment()
    {
        var set = Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Where(name => Unscrubbing.Any(part => name.EndsWith(part, StringComparison.OrdinalIgnoreCase)))
            .Where(name => Environment.GetEnvironmentVariable(name) is "1" or "true" or "True" or "TRUE")
            .Order(StringComparer.Ordinal)
            .ToArray();
        return set.Length == 0
            ? Passed("environment", "No variable turns the scrubbing of URLs off.")
            : new Finding("environment", CheckState.Failed, $"{string.Join(", ", set)} would put patients' data into logs and traces: unset it, here and where silos run.");
    }

    private static Finding CheckPermissions(string path, ClusterContext context)
    {
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & (UnixFileMode.GroupRead | UnixFileMode.OtherRead)) != UnixFileMode.None)
        {
            return new Finding("context", CheckState.Failed, $"Others can read {path}, which holds a key: chmod 600, and give the app a new key.");
        }

        return Passed("context", context.ToString());
    }

    private static async Task<List<Finding>> CheckHttpAsync(ClusterContext context, CancellationToken cancellationToken)
    {
        var findings = new List<Finding>();
        DateTimeOffset? theirs = null;
        findings.Add(await AttemptAsync("http", async () =>
        {
            using var http = ClusterConnection.NewHttpClient(context);
            using var response = await http.GetAsync(new Uri(context.Url, "/health/ready"), cancellationToken);
            theirs = response.Headers.Date;
            return response.IsSuccessStatusCode
                ? Passed("http", $"{context.Url.Authority} is ready.")
                : new Finding("http", CheckState.Failed, $"{context.Url.Authority} answers, but is not ready ({(int)response.StatusCode}): its log says why.");
        }));
        var skew = TimeProvider.System.GetUtcNow() - theirs;
        findings.Add(skew switch
        {
            null => new Finding("clock", CheckState.Skipped, "The cluster did not say its time."),
            { } off when off.Duration() > SkewMax => new Finding("clock", CheckState.Failed, $"This clock is off by {off.TotalSeconds:F0} s against the cluster; assertions will be refused. Set it by NTP."),
            { } off => Passed("clock", $"Within {Math.Ceiling(off.Duration().TotalSeconds):F0} s of the cluster's."),
        });
        return findings;
    }

    private static Finding CheckCertificate(ClusterContext context)
    {
        const string Check = "tls";
        if (context.Tls is not { } tls)
        {
            return new Finding(Check, CheckState.Skipped, "The context names no certificate: the Orleans gateway is reached in plain, which is for loopback alone.");
        }

        try
        {
            using var certificate = X509CertificateLoader.LoadCertificate(PemBytes(tls.Certificate));
            var left = certificate.NotAfter.ToUniversalTime() - TimeProvider.System.GetUtcNow().UtcDateTime;
            return left < TimeSpan.Zero ? new Finding(Check, CheckState.Failed, "The client certificate has expired: renew it.")
                : left < CertificateWarning ? new Finding(Check, CheckState.Warning, $"The client certificate ends in {left.Days} days: renew it.")
                : Passed(Check, $"The client certificate is good for {left.Days} days.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            return new Finding(Check, CheckState.Failed, $"The client certificate cannot be read ({e.GetType().Name}).");
        }
    }

    private static byte[] PemBytes(string path)
    {
        var pem = File.ReadAllText(path);
        return PemEncoding.TryFind(pem, out var fields)
            ? Convert.FromBase64String(pem[fields.Base64Data])
            : throw new CryptographicException("No PEM.");
    }

    private static async Task<List<Finding>> CheckClusterAsync(Invocation run, ClusterContext context)
    {
        var findings = new List<Finding>();
        findings.Add(await AttemptAsync("token", async () =>
        {
            using var http = ClusterConnection.NewHttpClient(context);
            using var tokens = new AccessTokens(context, http, TimeProvider.System);
            await tokens.GetAsync(run.Stopping);
            return Passed("token", $"{context.ClientId} gets tokens.");
        }));
        findings.Add(await AttemptAsync("gateway", async () =>
        {
            await run.ConnectAsync();
            return Passed("gateway", $"{context.Gateway} takes Orleans clients.");
        }));
        return findings;
    }

    private static async Task<Finding> AttemptAsync(string check, Func<Task<Finding>> run)
    {
        try
        {
            return await run();
        }
        catch (ProblemException refusal)
        {
            return new Finding(check, CheckState.Failed, string.Join(' ', refusal.Problems.Select(problem => problem.Message)));
        }
        catch (HttpRequestException e)
        {
            return new Finding(check, CheckState.Failed, $"No connection ({e.HttpRequestError}): is the silo running, and is the URL of the context right?");
        }
    }

    private static Finding Passed(string check, string message) => new(check, CheckState.Passed, message);
}

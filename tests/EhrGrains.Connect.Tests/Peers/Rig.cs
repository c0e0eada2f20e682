using System.Diagnostics.Metrics;
using System.Net;
using EhrGrains.Connect.Bulk;
using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Smart;
using EhrGrains.Contracts.Credentials;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Tokens;
using EhrGrains.Fhir.Vendors;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace EhrGrains.Connect.Tests.Peers;

/// <summary>The clients as a silo has them, on a clock and a resolver of the test's choice.</summary>
internal sealed class Rig : IDisposable
{
    public static readonly TenantId Tenant = TenantId.Parse("st-mary", null);

    private readonly ServiceProvider services;
    private readonly FakeLogCollector logs;

    public Rig(
        TimeProvider? time = null,
        Action<ConnectOptions>? configure = null,
        Func<string, CancellationToken, Task<IPAddress[]>>? resolve = null)
    {
        services = new ServiceCollection()
            .AddMetrics()
            .AddLogging(static l => l.AddFakeLogging().SetMinimumLevel(LogLevel.Trace))
            .BuildServiceProvider();
        logs = services.GetFakeLogCollector();
        Time = time ?? TimeProvider.System;
        var options = new ConnectOptions { RetryDelay = TimeSpan.FromMilliseconds(10) };
        configure?.Invoke(options);
        Options = options;
        var metrics = new ConnectMetrics(Meters);
        Egress = new EgressClients(
            options, Time, metrics, services.GetRequiredService<ILogger<EgressClients>>(), resolve ?? Dns.GetHostAddressesAsync);
        Discovery = new SmartDiscovery(Egress, options, Time);
        Tokens = new TokenClient(Egress, options, Time, metrics);
        Ehr = new EhrClient(Egress, options, Time, metrics, services.GetRequiredService<ILogger<EhrClient>>());
        Bulk = new BulkClient(Ehr, options, Time);
        Files = new BulkFiles(Ehr, options, Time);
    }

    public TimeProvider Time { get; }

    public ConnectOptions Options { get; }

    public IMeterFactory Meters => services.GetRequiredService<IMeterFactory>();

    public EgressClients Egress { get; }

    public SmartDiscovery Discovery { get; }

    public TokenClient Tokens { get; }

    public EhrClient Ehr { get; }

    public BulkClient Bulk { get; }

    public BulkFiles Files { get; }

    /// <summary>All that was logged, with the state of each record.</summary>
    public string Logged => string.Join(
        '\n', logs.GetSnapshot().Select(static r => $"{r.Message} {r.Exception} {string.Join(' ', r.StructuredState ?? [])}"));

    public static ConnectionSpec Connection(string baseUrl, params string[] privateNetworks) => new()
    {
        Vendor = "epic",
        BaseUrl = baseUrl,
        ClientId = "client-1",
        PrivateNetworks = privateNetworks,
    };

    /// <summary>A connection to a peer in a sandbox.</summary>
    public static ConnectionSpec To(Peer peer) => Connection(peer.Url + "/fhir/r4", "127.0.0.1/32");

    public static TenantSpec TenantAt(ConnectionSpec connection) => new()
    {
        Tenant = "st-mary",
        DisplayName = "St Mary",
        TimeZone = "America/Chicago",
        Connection = connection,
    };

    public static EhrRequest Search(ConnectionSpec connection, string query = "Patient?_id=1") => new()
    {
        Method = HttpMethod.Get,
        Url = $"{connection.BaseUrl}/{query}",
        Op = "search",
        ResourceType = "Patient",
    };

    public static AccessToken Token(ConnectionSpec connection, long serial = 1) => new(
        $"token-{serial}", serial, DateTimeOffset.MaxValue, DateTimeOffset.MaxValue, "system/*.rs",
        Origin.TryParse(connection.BaseUrl, out var origin) ? origin.ToString() : "");

    public Task<EhrAnswer> SendAsync(ConnectionSpec connection, EhrRequest? request = null, Access? access = null) =>
        Ehr.SendAsync(
            Tenant,
            connection,
            request ?? Search(connection),
            (access ?? new Access(connection)).Hands,
            TestContext.Current.CancellationToken);

    public Task<TokenAnswer> TokenAsync(
        ConnectionSpec connection,
        string endpoint,
        ClientAuthMethod method,
        byte[] secret,
        string? keyId = null,
        VendorProfile? profile = null) =>
        Tokens.RequestAsync(
            Tenant, connection, profile ?? TestProfile.Epic, endpoint, method, keyId, secret, TestContext.Current.CancellationToken);

    public void Dispose()
    {
        Egress.Dispose();
        services.Dispose();
    }
}

/// <summary>Permits and tokens of one connection, counted.</summary>
internal sealed class Access
{
    private readonly ConnectionSpec connection;
    private long serial = 1;

    public Access(ConnectionSpec connection, string? origin = null)
    {
        this.connection = connection;
        Hands = new EhrAccess(
            _ =>
            {
                Permits++;
                return ValueTask.FromResult(new BudgetPermit(() => Arrived++, () => Ended++));
            },
            (rejected, _) =>
            {
                Rejected.Add(rejected);
                serial = rejected == serial ? serial + 1 : serial;
                var token = Rig.Token(this.connection, serial);
                return ValueTask.FromResult(new TokenResult
                {
                    Token = origin is null
                        ? token
                        : new AccessToken(token.Value, serial, token.RefreshAt, token.ExpiresAt, token.Scope, origin),
                });
            },
            (retryAfter, status) =>
            {
                Throttled.Add((retryAfter, status));
                return ValueTask.CompletedTask;
            });
    }

    public EhrAccess Hands { get; init; }

    public int Permits { get; private set; }

    public int Arrived { get; private set; }

    public int Ended { get; private set; }

    public List<long> Rejected { get; } = [];

    public List<(TimeSpan? RetryAfter, int Status)> Throttled { get; } = [];
}

internal static class TestProfile
{
    public static readonly VendorProfile Epic = new()
    {
        Id = "epic",
        Name = "Epic",
        Resources = new Dictionary<string, ResourceRules>
        {
            ["Patient"] = new()
            {
                Search = ["_id", "identifier", "family", "given", "birthdate", "_revinclude"],
                RevInclude = ["Provenance:target"],
                RequiredAnyOf = [["_id"], ["identifier"], ["family", "given", "birthdate"]],
                CountMax = 50,
            },
            ["Observation"] = new()
            {
                Search = ["patient", "subject", "category", "code", "date"],
                RequiredAnyOf = [["patient", "category"], ["patient", "code"]],
                CountDefault = 20,
            },
            ["Provenance"] = new(),
            ["Group"] = new() { Read = false, Search = ["_id"] },
        },
    };

    public static readonly VendorProfile Athena = Epic with
    {
        Id = "athenahealth",
        Search = new SearchRules
        {
            Always = new Dictionary<string, string> { ["ah-practice"] = "Organization/a-1.Practice-{practice}" },
            AlwaysOnNext = true,
        },
    };
}

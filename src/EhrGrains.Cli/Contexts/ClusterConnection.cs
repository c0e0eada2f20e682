using System.Globalization;
using System.Net;
using System.Net.Sockets;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Audit;
using EhrGrains.Contracts.Budgets;
using EhrGrains.Contracts.Client;
using EhrGrains.Contracts.DataContracts;
using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Populations;
using EhrGrains.Contracts.Preflight;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Quirks;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Contracts.Tokens;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Contracts.Writes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EhrGrains.Cli.Contexts;

/// <summary>A cluster as one app reaches it: its grains over an Orleans client, and its HTTP gateway, both with the app's token.</summary>
public sealed class ClusterConnection : IAsyncDisposable
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    private readonly IHost host;
    private readonly IGrainFactory grains;

    private ClusterConnection(ClusterContext context, IHost host, HttpClient http, AccessTokens tokens)
    {
        this.host = host;
        grains = host.Services.GetRequiredService<IGrainFactory>();
        Context = context;
        Http = http;
        Tokens = tokens;
    }

    /// <summary>Where and as whom.</summary>
    public ClusterContext Context { get; }

    /// <summary>The HTTP gateway; its base address is the gateway's URL.</summary>
    public HttpClient Http { get; }

    /// <summary>The app's tokens.</summary>
    public AccessTokens Tokens { get; }

    /// <summary>The tenant directory.</summary>
    public ITenantDirectoryGrain Directory => grains.GetGrain<ITenantDirectoryGrain>(TenantDirectory.Key);

    /// <summary>The search over all tenants of the app.</summary>
    public IFederatedQueryGrain Federation => grains.GetGrain<IFederatedQueryGrain>(Contracts.Query.Federation.Key);

    /// <summary>Gets a token, for one scope or for what the app's role has by itself, and connects; both must work.</summary>
    /// <exception cref="ProblemException">Unauthenticated or Unavailable, with what to do.</exception>
    public static async Task<ClusterConnection> OpenAsync(
        ClusterContext context, Action<ILoggingBuilder> logging, CancellationToken cancellationToken, string? scope = null)
    {
        var gateways = await ResolveAsync(context.Gateway, cancellationToken);
        var http = NewHttpClient(context);
        var tokens = new AccessTokens(context, http, TimeProvider.System, scope);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        logging(builder.Logging);
        builder.Services.AddEhrGrainsClient(options =>
        {
            gateways.ForEach(options.Gateways.Add);
            options.ClusterId = context.ClusterId;
            options.ServiceId = context.ServiceId;
            options.AccessToken = tokens.GetAsync;
            options.Tls = context.Tls is { } tls ? new MutualTlsOptions(tls.Certificate, tls.Key, tls.Authority, context.ClusterId) : null;
        });
        var connection = new ClusterConnection(context, builder.Build(), http, tokens);
        try
        {
            await tokens.GetAsync(cancellationToken);
            await connection.ConnectAsync(cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>The tenant's own grain.</summary>
    public IHospitalTenantGrain Tenant(TenantId tenant) => grains.GetGrain<IHospitalTenantGrain>(GrainKeys.Tenant(tenant));

    /// <summary>The tenant's site budget.</summary>
    public ISiteBudgetGrain Budget(TenantId tenant) => grains.GetGrain<ISiteBudgetGrain>(GrainKeys.Tenant(tenant));

    /// <summary>The token session that queries of the tenant use.</summary>
    public ITokenSessionGrain TokenSession(TenantId tenant) =>
        grains.GetGrain<ITokenSessionGrain>(GrainKeys.TokenSession(tenant, GrainKeys.BackendPurpose));

    /// <summary>The tenant's audit trail.</summary>
    public IAuditGrain Audit(TenantId tenant) => grains.GetGrain<IAuditGrain>(GrainKeys.Tenant(tenant));

    /// <summary>Queries of the tenant.</summary>
    public IEhrQueryGrain Query(TenantId tenant) => grains.GetGrain<IEhrQueryGrain>(GrainKeys.Tenant(tenant));

    /// <summary>What is written back to the tenant.</summary>
    public IWritesGrain Writes(TenantId tenant) => grains.GetGrain<IWritesGrain>(GrainKeys.Tenant(tenant));

    /// <summary>An inbound feed.</summary>
    public IMllpConnectionGrain Feed(TenantId tenant, FeedId feed) => grains.GetGrain<IMllpConnectionGrain>(GrainKeys.Feed(tenant, feed));

    /// <summary>An outbound feed.</summary>
    public IMllpSenderGrain Outbound(TenantId tenant, FeedId feed) => grains.GetGrain<IMllpSenderGrain>(GrainKeys.Feed(tenant, feed));

    /// <summary>A patient's record.</summary>
    public IPatientRecordGrain Record(TenantId tenant, PatientId patient) => grains.GetGrain<IPatientRecordGrain>(GrainKeys.Patient(tenant, patient));

    /// <summary>The copies of a tenant's patients.</summary>
    public ITenantSyncGrain Sync(TenantId tenant) => grains.GetGrain<ITenantSyncGrain>(GrainKeys.Tenant(tenant));

    /// <summary>A cohort.</summary>
    public IPopulationSyncGrain Cohort(TenantId tenant, CohortId cohort) => grains.GetGrain<IPopulationSyncGrain>(GrainKeys.Cohort(tenant, cohort));

    /// <summary>The tenant's cohorts.</summary>
    public IPopulationsGrain Cohorts(TenantId tenant) => grains.GetGrain<IPopulationsGrain>(GrainKeys.Tenant(tenant));

    /// <summary>The copy of one patient.</summary>
    public IPatientSyncCursorGrain Sync(TenantId tenant, PatientId patient) =>
        grains.GetGrain<IPatientSyncCursorGrain>(GrainKeys.Patient(tenant, patient));

    /// <summary>How a tenant's EHR differs from its vendor profile.</summary>
    public IQuirkLedgerGrain Quirks(TenantId tenant) => grains.GetGrain<IQuirkLedgerGrain>(GrainKeys.Tenant(tenant));

    /// <summary>Data contracts held against a tenant's site.</summary>
    public IDataContractGrain DataContracts(TenantId tenant) => grains.GetGrain<IDataContractGrain>(GrainKeys.Tenant(tenant));

    /// <summary>The checks of a tenant's site.</summary>
    public IPreflightGrain Preflight(TenantId tenant) => grains.GetGrain<IPreflightGrain>(GrainKeys.Tenant(tenant));

    /// <summary>How a tenant's messages become FHIR.</summary>
    public IMappingGrain Mapping(TenantId tenant) => grains.GetGrain<IMappingGrain>(GrainKeys.Tenant(tenant));

    /// <summary>A webhook.</summary>
    public IWebhookGrain Webhook(TenantId tenant, WebhookId webhook) => grains.GetGrain<IWebhookGrain>(GrainKeys.Webhook(tenant, webhook));

    /// <summary>The webhooks of a tenant.</summary>
    public IWebhooksGrain Webhooks(TenantId tenant) => grains.GetGrain<IWebhooksGrain>(GrainKeys.Tenant(tenant));

    /// <summary>An app's registration.</summary>
    public IAppGrain App(AppId app) => grains.GetGrain<IAppGrain>(GrainKeys.App(app));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await ((IAsyncDisposable)host).DisposeAsync();
        Tokens.Dispose();
        Http.Dispose();
    }

    /// <summary>A client of the HTTP gateway that follows no redirect: a token goes along.</summary>
    internal static HttpClient NewHttpClient(ClusterContext context) =>
        new(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = ConnectTimeout }, disposeHandler: true)
        {
            BaseAddress = context.Url,
            MaxResponseContentBufferSize = ClientServices.MessageBodyBytesMax,
        };

    /// <summary>The addresses of the context's gateways.</summary>
    internal static async Task<List<IPEndPoint>> ResolveAsync(string gateways, CancellationToken cancellationToken)
    {
        var endpoints = new List<IPEndPoint>();
        foreach (var gateway in gateways.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = gateway.LastIndexOf(':');
            if (colon <= 0 || !ushort.TryParse(gateway.AsSpan(colon + 1), CultureInfo.InvariantCulture, out var port))
            {
                throw new ProblemException(ProblemKind.Invalid, "EHR-CLI-042", "gateway", "Each gateway is written host:port, for example 127.0.0.1:30000.");
            }

            try
            {
                var addresses = await Dns.GetHostAddressesAsync(gateway[..colon].Trim('[', ']'), cancellationToken);
                endpoints.AddRange(addresses.Select(address => new IPEndPoint(address, port)));
            }
            catch (SocketException)
            {
                throw new ProblemException(ProblemKind.Unavailable, "EHR-CLI-043", "gateway", $"The host name of the gateway {gateway} has no address.");
            }
        }

        return endpoints;
    }

    private async Task ConnectAsync(CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(ConnectTimeout, TimeProvider.System);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await host.StartAsync(ended.Token);
        }
        catch (Exception e) when (e is OrleansException or TimeoutException or SocketException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new ProblemException(
                ProblemKind.Unavailable,
                "EHR-CLI-044",
                "",
                $"No Orleans gateway at {Context.Gateway} took the connection within {ConnectTimeout.TotalSeconds} s ({e.GetType().Name}). Is the silo running, and do cluster id and TLS files fit? «ehrgrains doctor» checks.");
        }
    }
}

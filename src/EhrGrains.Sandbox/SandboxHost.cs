using System.Net;
using EhrGrains.Sandbox.Bulk;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Hospitals;
using EhrGrains.Sandbox.Vendors;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace EhrGrains.Sandbox;

/// <summary>Simulated hospitals in one process, each on its own port.</summary>
public static class SandboxHost
{
    private const int PatientsMax = 20_000;
    private const long BodyBytesMax = 65_536;

    /// <summary>How far a hospital's object storage is from its own port.</summary>
    private const int StoragePortOffset = 10;

    /// <summary>Every product, and how far its port is from the first; 9104 is the application's that takes webhooks.</summary>
    internal static IReadOnlyList<(IVendor Vendor, int PortOffset)> Known { get; } =
    [
        (new EpicVendor(), 0), (new OracleVendor(), 1), (new AthenaVendor(), 2),
        (new MeditechVendor(), 4), (new VeradigmVendor(), 5), (new ModMedVendor(), 6), (new ModMedEmaVendor(), 7),
    ];

    /// <summary>
    /// Builds the hospitals; start the application to open their ports. Without <paramref name="logging"/> nothing is logged.
    /// </summary>
    /// <exception cref="ArgumentException">The options are wrong; the message lists all that is.</exception>
    /// <exception cref="InvalidDataException">The data directory has a file that is not FHIR; the message names it.</exception>
    public static WebApplication Build(SandboxOptions options, Action<ILoggingBuilder>? logging = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(options);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        logging?.Invoke(builder.Logging);

        var http = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ActivityHeadersPropagator = null,
            PooledConnectionLifetime = TimeSpan.FromMinutes(1),
        };
        var loaded = options.DataDirectory is null ? [] : DataFolder.Read(options.DataDirectory);
        var opened = Known.Where(one => options.Vendors?.Contains(one.Vendor.Facts.Vendor) ?? true).ToArray();
        Hospital[] hospitals = [.. opened.Select(one => new Hospital(one.Vendor, options, loaded, new HttpMessageInvoker(http)))];
        builder.Services.AddSingleton(hospitals);
        builder.Services.AddHostedService(_ => new FeedsEnd(hospitals));
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = BodyBytesMax;
            for (var i = 0; i < hospitals.Length; i++)
            {
                Listen(kestrel, options, hospitals[i], options.BasePort == 0 ? 0 : options.BasePort + opened[i].PortOffset);
            }
        });

        var app = builder.Build();
        AdminEndpoints.Map(app);
        foreach (var hospital in hospitals)
        {
            new FhirEndpoints(hospital).Map(app);

            // Charts are written before the first request waits for them.
            app.Lifetime.ApplicationStarted.Register(() => _ = hospital.Charts);
        }

        app.Lifetime.ApplicationStopped.Register(http.Dispose);
        return app;
    }

    /// <summary>What is needed to connect to each hospital, in order of port. The application must have been started.</summary>
    public static IReadOnlyList<SandboxSite> Sites(WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        return [.. app.Services.GetRequiredService<Hospital[]>().Select(hospital => hospital.Describe())];
    }

    private static void Listen(KestrelServerOptions kestrel, SandboxOptions options, Hospital hospital, int port)
    {
        hospital.Listener = Listen(kestrel, options, port, hospital);
        if (hospital.Vendor.Bulk.ObjectStorage)
        {
            hospital.StorageListener = Listen(kestrel, options, port == 0 ? 0 : port + StoragePortOffset, new ObjectStorage(hospital));
        }
    }

    /// <summary>Opens a port; what comes in by it is known by the feature.</summary>
    private static ListenOptions Listen<T>(KestrelServerOptions kestrel, SandboxOptions options, int port, T feature)
        where T : class
    {
        ListenOptions opened = null!;
        kestrel.Listen(IPAddress.Parse(options.Host), port, listen =>
        {
            opened = listen;
            listen.Use(next => connection =>
            {
                connection.Features.Set(feature);
                return next(connection);
            });
            if (options.Certificate is { } certificate)
            {
                listen.UseHttps(certificate);
            }
        });
        return opened;
    }

    private static void Check(SandboxOptions options)
    {
        var vendors = SandboxOptions.Products;
        var problems = new List<string>();
        Require(options.BasePort is >= 0 and <= 65_500, "BasePort: 0 to 65,500.");
        Require(IPAddress.TryParse(options.Host, out _), "Host: an IP address.");
        Require(options.Patients is >= 0 and <= PatientsMax, $"Patients: 0 to {PatientsMax}.");
        Require(Uri.TryCreate(options.JwksBase, UriKind.Absolute, out var jwks)
            && jwks.Scheme is "http" or "https", "JwksBase: an absolute http or https URL.");
        Require(options.DataDirectory is null || Directory.Exists(options.DataDirectory), "DataDirectory: a folder that exists.");
        Require(
            options.Vendors is null || (options.Vendors.Count > 0 && options.Vendors.All(vendors.Contains)),
            $"Vendors: of {string.Join(", ", vendors)}.");
        Require(options.Sites.Keys.All(vendors.Contains), $"Sites: only {string.Join(", ", vendors)}.");
        Require(
            options.Sites.Values.All(site => site.RequestsPerSecond is null or (>= 0 and <= 65_536)
                && site.TokenLifetimeSeconds is null or >= 1 && site.SearchSessionSeconds is null or >= 1 && site.KeyRefetchSeconds is null or >= 0
                && site.MatchesMax is null or >= 1 && site.ExportPolls is null or >= 0 && site.ExportRetryAfterSeconds is null or >= 0
                && site.ExportEverySeconds is null or >= 0),
            "Sites: RequestsPerSecond 0 to 65,536; TokenLifetimeSeconds, SearchSessionSeconds and MatchesMax 1 or more; KeyRefetchSeconds and Export… 0 or more.");
        if (problems.Count > 0)
        {
            throw new ArgumentException(string.Join(' ', problems), nameof(options));
        }

        void Require(bool holds, string problem)
        {
            if (!holds)
            {
                problems.Add(problem);
            }
        }
    }

    /// <summary>Ends the feeds when the sandbox stops.</summary>
    private sealed class FeedsEnd(Hospital[] hospitals) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) =>
            Task.WhenAll(hospitals.Select(static hospital => hospital.DisposeAsync().AsTask())).WaitAsync(cancellationToken);
    }
}

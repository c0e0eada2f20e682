using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Bulk;
using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Edits;
using EhrGrains.Sandbox.Faults;
using EhrGrains.Sandbox.Feeds;
using EhrGrains.Sandbox.Searching;
using EhrGrains.Sandbox.Tokens;
using EhrGrains.Sandbox.Traffic;
using EhrGrains.Sandbox.Vendors;
using EhrGrains.Sandbox.Writes;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace EhrGrains.Sandbox.Hospitals;

/// <summary>One simulated hospital: a vendor's product with charts, clients, a contract and faults of its own.</summary>
internal sealed class Hospital : IAsyncDisposable
{
    /// <summary>The client that every hospital knows from the start.</summary>
    private const string DefaultClientId = "ehrgrains";

    private readonly SandboxOptions options;
    private readonly IReadOnlyList<byte[]> loaded;
    private readonly Lazy<Services> services;

    public Hospital(IVendor vendor, SandboxOptions options, IReadOnlyList<byte[]> loaded, HttpMessageInvoker http)
    {
        Vendor = vendor;
        this.options = options;
        this.loaded = loaded;
        var site = options.Sites.GetValueOrDefault(vendor.Facts.Vendor) ?? new SiteOptions();
        Zone = TimeZoneInfo.FindSystemTimeZoneById(vendor.Facts.TimeZone);
        Time = new SiteClock(options.Time);
        ExportRetryAfter = TimeSpan.FromSeconds(site.ExportRetryAfterSeconds ?? 1);
        Contract = new Contract(Time, site.RequestsPerSecond ?? vendor.Facts.RequestsPerSecond);
        Counters = new Counters(Time);
        Tokens = new AccessTokens(Time);
        Clients = new ClientTable(Time, http, TimeSpan.FromSeconds(site.KeyRefetchSeconds ?? 1));
        Client = new Client
        {
            ClientId = DefaultClientId,
            JwksUrl = $"{options.JwksBase.TrimEnd('/')}/tenants/{vendor.Facts.Tenant}/jwks.json",
            ClientSecret = vendor.Tokens.Methods.Any(static method => method.StartsWith("client_secret", StringComparison.Ordinal)) ? DefaultSecret(vendor.Facts.Tenant) : null,
        };
        Clients.Register(Client);
        Feed = new FeedSender(new FeedStream(vendor, options.Seed, options.Patients, Zone), options.Time);
        Receiver = new FeedReceiver(IPAddress.Parse(options.Host), options.Time);

        // The hospital's addresses, which its charts contain, are known when its port is.
        services = new Lazy<Services>(() => Open(site));
    }

    public IVendor Vendor { get; }

    public Client Client { get; }

    /// <summary>The practice's key, for the products that want one in a header; null: none.</summary>
    public string? ApiKey => Vendor.Facts.ApiKeyHeader is null ? null : Client.ClientSecret + "-key";

    public ClientTable Clients { get; }

    public AccessTokens Tokens { get; }

    public Contract Contract { get; }

    public Counters Counters { get; }

    public FaultBoard Faults { get; } = new();

    /// <summary>The HL7 v2 messages that it sends.</summary>
    public FeedSender Feed { get; }

    /// <summary>Where it takes HL7 v2 messages.</summary>
    public FeedReceiver Receiver { get; }

    public SiteClock Time { get; }

    /// <summary>What times without an offset mean.</summary>
    public TimeZoneInfo Zone { get; }

    /// <summary>Until when to ask about an export again.</summary>
    public TimeSpan ExportRetryAfter { get; }

    public ListenOptions? Listener { get; set; }

    /// <summary>Where the object storage is, for the products that have one.</summary>
    public ListenOptions? StorageListener { get; set; }

    public string Origin => OriginOf(Listener);

    public string? StorageOrigin => StorageListener is null ? null : OriginOf(StorageListener);

    public string FhirBase => Origin + Vendor.Facts.FhirPath;

    public ChartStore Charts => services.Value.Charts;

    /// <summary>Who edits the charts.</summary>
    public Scribe Scribe => services.Value.Scribe;

    public ExportDesk Exports => services.Value.Exports;

    public SearchAnswers Searches => services.Value.Searches;

    /// <summary>Who takes what applications write.</summary>
    public WriteDesk Writes => services.Value.Writes;

    public TokenEndpoint TokenEndpoint => services.Value.TokenEndpoint;

    public Discovery Discovery => services.Value.Discovery;

    public async ValueTask DisposeAsync()
    {
        await Feed.DisposeAsync();
        Receiver.Dispose();
    }

    private string OriginOf(ListenOptions? listener)
    {
        var port = listener?.IPEndPoint?.Port ?? throw new InvalidOperationException("The sandbox has not been started.");
        var scheme = options.Certificate is null ? "http" : "https";
        return string.Create(CultureInfo.InvariantCulture, $"{scheme}://{options.PublicHost ?? options.Host}:{port}");
    }

    private string DefaultSecret(string tenant) =>
        string.Create(CultureInfo.InvariantCulture, $"{Vocabulary.NameMarker}-secret-of-{tenant}-{options.Seed}");

    public SandboxSite Describe()
    {
        return new SandboxSite
        {
            Vendor = Vendor.Facts.Vendor,
            Tenant = Vendor.Facts.Tenant,
            DisplayName = Vendor.Facts.DisplayName,
            TimeZone = Vendor.Facts.TimeZone,
            FhirBaseUrl = FhirBase,
            TokenUrl = Origin + Vendor.Facts.TokenPath,
            AdminUrl = Origin + "/_sandbox",
            ClientId = Client.ClientId,
            AuthMethod = Vendor.Facts.AuthMethod,
            ClientSecret = Client.ClientSecret,
            ApiKey = ApiKey,
            JwksUrl = Client.JwksUrl!,
            Settings = Vendor.Facts.Settings,
            SendingApplication = Vendor.Voice.Application,
            SendingFacility = Vendor.Voice.Facility.Split('^')[0],
            RequestsPerSecond = Contract.RequestsPerSecond,
            GroupId = Vendor.Dialect(options.Seed).Id("Group", Staff.Group),
            SharedPatientSearch = options.Patients == 0 ? null : SearchFor(Person.Draw(options.Seed, Vendor.Facts.Vendor, 0)),
            LongChartPatientId = Enumerable.Range(0, options.Patients).FirstOrDefault(Chart.IsLong, -1) is >= 0 and var index
                ? Vendor.Dialect(options.Seed).Id("Patient", Chart.NumberOf(index))
                : null,
        };
    }

    /// <summary>The synthetic patients; those of a data folder are not among them.</summary>
    public IEnumerable<PatientLine> Patients()
    {
        var dialect = Vendor.Dialect(options.Seed);
        for (var index = 0; index < options.Patients; index++)
        {
            var person = Person.Draw(options.Seed, Vendor.Facts.Vendor, index);
            var id = dialect.Id("Patient", Chart.NumberOf(index));
            yield return new PatientLine
            {
                Id = id,
                RecordNumber = person.RecordNumber,
                Family = person.Family,
                Given = person.Given,
                BirthDate = Elements.Date(person.Birth),
                LongChart = Chart.IsLong(index),
                Confidential = Charts.IsRestricted(id),
                MergedId = Chart.IsMerged(index) ? dialect.Id("Patient", Chart.MergedNumberOf(index)) : null,
            };
        }
    }

    // What each vendor takes.
    private static string SearchFor(Person person)
    {
        var (family, given) = (Uri.EscapeDataString(person.Family), Uri.EscapeDataString(person.Given));
        return $"Patient?family={family}&given={given}&birthdate={Elements.Date(person.Birth)}";
    }

    private Services Open(SiteOptions site)
    {
        var facts = Vendor.Facts;
        var charts = new ChartStore(Write(), FhirBase, Zone);
        var seal = new PageSeal(Time, TimeSpan.FromSeconds(site.SearchSessionSeconds ?? facts.SearchSessionSeconds));
        var tokenUrl = Origin + facts.TokenPath;
        return new Services(
            charts,
            new Scribe(charts, Time),
            new WriteDesk(Vendor, charts, Vendor.Dialect(options.Seed), FhirBase, Time),
            new ExportDesk(
                Vendor, charts, Time, site.ExportPolls ?? 2,
                site.ExportEverySeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : Vendor.Bulk.Every),
            new SearchAnswers(Vendor, charts, seal, Zone, FhirBase, site.MatchesMax ?? Vendor.Searches.MatchesMax),
            new TokenEndpoint(
                Vendor, Clients, Tokens, new Assertions(Time, tokenUrl, Vendor.Tokens.JtiLengthMax), Time,
                TimeSpan.FromSeconds(site.TokenLifetimeSeconds ?? Vendor.Tokens.LifetimeSeconds)),
            new Discovery(Vendor, Origin));
    }

    private IEnumerable<(JsonObject Resource, DateTime Updated)> Write()
    {
        var dialect = Vendor.Dialect(options.Seed);
        var facts = Vendor.Facts;
        var staff = options.Patients == 0 ? [] : Staff.Write(options.Seed, facts.Vendor, facts.DisplayName);
        var patients = Enumerable.Range(0, options.Patients).SelectMany(index => Chart.Write(options.Seed, facts.Vendor, index));
        foreach (var resource in staff.Concat(patients).Append(Staff.WriteGroup(facts.DisplayName, options.Patients)))
        {
            // Some products keep the time to themselves.
            var updated = UpdatedOf(resource);
            var random = SplitMix64.For(options.Seed, $"dialect/{facts.Vendor}/{resource["resourceType"]}/{resource["id"]}");
            if (dialect.Speak(resource, random))
            {
                Naming.Apply(resource, dialect, FhirBase);
                yield return (resource, updated);
            }
        }

        foreach (var json in loaded)
        {
            var resource = JsonNode.Parse(json)!.AsObject();
            yield return (resource, UpdatedOf(resource));
        }
    }

    private DateTime UpdatedOf(JsonObject resource) =>
        resource["meta"]?["lastUpdated"] is JsonValue value && FhirTime.TryParse(value.ToString(), Zone, out var updated, out _)
            ? updated
            : DateTime.SpecifyKind(Elements.Today, DateTimeKind.Utc);

    private sealed record Services(
        ChartStore Charts, Scribe Scribe, WriteDesk Writes, ExportDesk Exports, SearchAnswers Searches, TokenEndpoint TokenEndpoint, Discovery Discovery);
}

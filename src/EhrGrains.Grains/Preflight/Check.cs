using System.Globalization;
using EhrGrains.Contracts.Preflight;

namespace EhrGrains.Grains.Preflight;

/// <summary>One thing that is looked at. Numbers are stable: what people write down and search for.</summary>
/// <param name="Number">The number in its code.</param>
/// <param name="Name">Its name.</param>
/// <param name="Owner">Who changes it when it is not as it should be.</param>
internal sealed record Check(int Number, string Name, PreflightOwner Owner)
{
    private static readonly List<Check> Known = []; // first: those that follow enter themselves

    internal static readonly Check Lifecycle = Ours(101, "config.lifecycle");
    internal static readonly Check TimeZone = Ours(102, "config.time-zone");
    internal static readonly Check Settings = Ours(103, "config.settings");
    internal static readonly Check SyncTypes = Ours(104, "config.sync-types");
    internal static readonly Check Grants = Ours(105, "config.grants");
    internal static readonly Check BudgetLimit = Ours(106, "budget.published-limit");
    internal static readonly Check BudgetPace = Ours(107, "budget.fits-copies");
    internal static readonly Check BudgetHold = Ours(108, "budget.hold-off");

    internal static readonly Check DnsResolves = Theirs(201, "dns.resolves");
    internal static readonly Check DnsAllowed = Ours(202, "dns.allowed");
    internal static readonly Check DnsFamilies = Theirs(203, "dns.families");
    internal static readonly Check TcpConnects = Theirs(204, "tcp.connects");
    internal static readonly Check TlsHandshake = Theirs(205, "tls.handshake");
    internal static readonly Check TlsChain = Theirs(206, "tls.chain");
    internal static readonly Check TlsHost = Theirs(207, "tls.host-name");
    internal static readonly Check TlsExpiry = Theirs(208, "tls.expiry");
    internal static readonly Check TlsKey = Theirs(209, "tls.key");
    internal static readonly Check TlsRevocation = Theirs(210, "tls.revocation");
    internal static readonly Check HttpVersion = Theirs(211, "http.version");
    internal static readonly Check HttpCompression = Theirs(212, "http.compression");
    internal static readonly Check Clock = Theirs(213, "http.clock");

    internal static readonly Check SmartPresent = Theirs(301, "smart.present");
    internal static readonly Check SmartTokenEndpoint = Theirs(302, "smart.token-endpoint");
    internal static readonly Check SmartPinned = Ours(303, "smart.pinned");
    internal static readonly Check SmartIssuer = Theirs(304, "smart.issuer");
    internal static readonly Check SmartMethods = Theirs(305, "smart.auth-methods");
    internal static readonly Check SmartAlgorithms = Theirs(306, "smart.algorithms");
    internal static readonly Check SmartGrants = Theirs(307, "smart.grant-types");
    internal static readonly Check SmartScopes = Theirs(308, "smart.scopes");
    internal static readonly Check SmartCapabilities = Theirs(309, "smart.capabilities");

    internal static readonly Check StatementPresent = Theirs(401, "statement.present");
    internal static readonly Check StatementVersion = Theirs(402, "statement.fhir-version");
    internal static readonly Check StatementFormat = Theirs(403, "statement.format");
    internal static readonly Check StatementVendor = Ours(404, "statement.vendor");
    internal static readonly Check StatementResources = Theirs(405, "statement.resources");
    internal static readonly Check StatementSearch = Theirs(406, "statement.search-parameters");
    internal static readonly Check StatementSecurity = Theirs(407, "statement.security");
    internal static readonly Check StatementQuirks = Ours(408, "statement.quirks");

    internal static readonly Check CredentialActive = Ours(501, "credential.active");
    internal static readonly Check CredentialAge = Ours(502, "credential.age");
    internal static readonly Check CredentialMethod = Ours(503, "credential.method");
    internal static readonly Check CredentialPublished = Ours(504, "credential.published");
    internal static readonly Check TokenRequest = Theirs(511, "token.request");
    internal static readonly Check TokenLifetime = Theirs(512, "token.lifetime");
    internal static readonly Check TokenScopes = Theirs(513, "token.scopes");
    internal static readonly Check TokenExcess = Theirs(514, "token.excess");
    internal static readonly Check TokenRefresh = Ours(515, "token.refresh");
    internal static readonly Check TokenAccepted = Theirs(516, "token.accepted");

    internal static readonly Check Search = Theirs(601, "search.answers");
    internal static readonly Check SearchMediaType = Theirs(602, "search.media-type");
    internal static readonly Check SearchJson = Theirs(603, "search.json");
    internal static readonly Check SearchBundle = Theirs(604, "search.bundle");
    internal static readonly Check SearchType = Theirs(605, "search.type");
    internal static readonly Check SearchPatient = Theirs(606, "search.patient");
    internal static readonly Check SearchOutcomes = Theirs(607, "search.outcomes");
    internal static readonly Check SearchIds = Theirs(608, "search.ids");
    internal static readonly Check SearchDates = Theirs(609, "search.last-updated");

    internal static readonly Check PageSize = Theirs(701, "page.size");
    internal static readonly Check PageOrigin = Theirs(702, "page.origin");
    internal static readonly Check PageEnd = Theirs(703, "page.end");
    internal static readonly Check PageRepeats = Theirs(704, "page.repeats");
    internal static readonly Check PageEmpty = Theirs(705, "page.empty");
    internal static readonly Check PageTotal = Theirs(706, "page.total");
    internal static readonly Check PageComplete = Theirs(707, "page.complete");

    internal static readonly Check LastUpdated = Theirs(801, "parameter.last-updated");
    internal static readonly Check UnknownParameter = Theirs(802, "parameter.unknown");
    internal static readonly Check CountBound = Theirs(803, "parameter.count");
    internal static readonly Check Read = Theirs(811, "read.answers");
    internal static readonly Check ReadTag = Theirs(812, "read.etag");
    internal static readonly Check ReadUnchanged = Theirs(813, "read.if-none-match");
    internal static readonly Check ReadUnknown = Theirs(814, "read.unknown");
    internal static readonly Check ErrorBody = Theirs(815, "error.outcome");
    internal static readonly Check LimitHeaders = Theirs(821, "limit.headers");
    internal static readonly Check Throttled = Theirs(822, "limit.throttled");
    internal static readonly Check RetryAfter = Theirs(823, "limit.retry-after");
    internal static readonly Check Latency = Theirs(824, "latency");
    internal static readonly Check Bulk = Theirs(831, "bulk.offered");
    internal static readonly Check BulkGroup = Ours(832, "bulk.group");

    internal static readonly Check FeedState = Ours(901, "feed.state");
    internal static readonly Check FeedAlarms = Ours(902, "feed.alarms");
    internal static readonly Check FeedSeen = Theirs(903, "feed.seen");
    internal static readonly Check FeedRoute = Ours(904, "feed.route");
    internal static readonly Check FeedConnects = Theirs(911, "feed.connects");
    internal static readonly Check FeedEcho = Theirs(912, "feed.echo");
    internal static readonly Check FeedCertificate = Ours(913, "feed.certificate");

    /// <summary>All of them, in the order of their numbers.</summary>
    internal static IReadOnlyList<Check> All => Known;

    /// <summary>The code.</summary>
    internal string Code { get; } = string.Create(CultureInfo.InvariantCulture, $"EHR-PRE-{Number:000}");

    private static Check Ours(int number, string name) => Enter(new(number, name, PreflightOwner.Operator));

    private static Check Theirs(int number, string name) => Enter(new(number, name, PreflightOwner.Hospital));

    private static Check Enter(Check check)
    {
        Known.Add(check);
        return check;
    }
}

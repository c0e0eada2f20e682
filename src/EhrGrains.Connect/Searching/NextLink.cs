using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Ehr;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Outcomes;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Connect.Searching;

/// <summary>An EHR's link to the next page: opaque, followed as it is written, and only where it may lead (I7).</summary>
internal static class NextLink
{
    private const int LengthMax = 16 * 1024;

    // A path is decoded this often by a chain of proxies at most; what is still a step up then is one.
    private const int DecodingsMax = 3;

    public static SearchPlan Plan(string next, TenantSpec tenant, VendorProfile profile)
    {
        var baseUri = new Uri(tenant.Connection.BaseUrl.TrimEnd('/') + "/");
        if (next.Length > LengthMax
            || !TryResolve(next, baseUri, out var uri)
            || Origin.Of(uri) != Origin.Of(baseUri)
            || !IsUnder(uri, baseUri))
        {
            return SearchPlanner.Refuse(PlanIssues.ForeignNext());
        }

        var url = uri.GetComponents(UriComponents.HttpRequestUrl, UriFormat.UriEscaped);
        var problems = new List<OutcomeIssue>();
        if (profile.Search.AlwaysOnNext)
        {
            url = WithAlways(url, uri, AlwaysParameters.Of(tenant, profile, problems), problems);
        }

        var request = new EhrRequest { Method = HttpMethod.Get, Url = url, Op = "page", ResourceType = TypeOf(uri, baseUri, profile) };
        return new SearchPlan { Request = problems.Count > 0 ? null : request, Problems = problems };
    }

    private static bool TryResolve(string next, Uri baseUri, out Uri uri)
    {
        uri = baseUri;
        if (Origin.TryParse(next, out _))
        {
            uri = new Uri(next);
            return true;
        }

        // What names a scheme or a host and is not plain is refused; what is left is relative to the base (RFC 3986 §5).
        var relative = next.Length > 0 && !next.Contains('\\', StringComparison.Ordinal) && !next.StartsWith("//", StringComparison.Ordinal)
            && !next.AsSpan(0, next.AsSpan().IndexOfAny("/?#") is >= 0 and var end ? end : next.Length).Contains(':');
        return relative && Uri.TryCreate(baseUri, next, out uri!) && Origin.TryParse(uri.AbsoluteUri, out _);
    }

    private static bool IsUnder(Uri uri, Uri baseUri)
    {
        // Hospitals write their own paths in more than one case; the origin, which decides where a token goes, is compared as it is.
        var path = uri.AbsolutePath;
        var basePath = baseUri.AbsolutePath;
        var under = path.StartsWith(basePath, StringComparison.OrdinalIgnoreCase)
            || path.Equals(basePath.TrimEnd('/'), StringComparison.OrdinalIgnoreCase);
        return under && path[Math.Min(basePath.Length, path.Length)..].Split('/').All(IsPlainSegment);
    }

    // Neither "..", nor what becomes a step or a slash when it is decoded once more ("%2e%2e", "%252f"), nor "..;" (path parameters).
    private static bool IsPlainSegment(string segment)
    {
        for (var i = 0; i <= DecodingsMax; i++)
        {
            var name = segment.Split(';')[0];
            if (name is "." or ".." || segment.AsSpan().ContainsAny('/', '\\'))
            {
                return false;
            }

            segment = Uri.UnescapeDataString(segment);
        }

        return true;
    }

    private static string WithAlways(string url, Uri uri, IReadOnlyList<SearchParameter> always, List<OutcomeIssue> problems)
    {
        foreach (var parameter in always)
        {
            var there = ValuesOf(uri, parameter.Name);
            if (there.Exists(value => Id(value) != Id(parameter.Value)))
            {
                problems.Add(PlanIssues.OtherTenantNext(parameter.Name));
            }
            else if (there.Count == 0)
            {
                var joint = url.Contains('?', StringComparison.Ordinal) ? '&' : '?';
                url += $"{joint}{Uri.EscapeDataString(parameter.Name)}={Uri.EscapeDataString(parameter.Value)}";
            }
        }

        return url;
    }

    private static List<string> ValuesOf(Uri uri, string name) =>
    [
        .. uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries)
            .Select(static pair => pair.Split('=', 2))
            .Where(pair => Decode(pair[0]) == name)
            .Select(static pair => pair.Length > 1 ? Decode(pair[1]) : ""),
    ];

    // athenahealth takes "Organization/a-1.Practice-1" and "a-1.Practice-1" for the same.
    private static string Id(string reference) => reference[(reference.LastIndexOf('/') + 1)..];

    private static string Decode(string text) => Uri.UnescapeDataString(text.Replace('+', ' '));

    private static string TypeOf(Uri uri, Uri baseUri, VendorProfile profile)
    {
        var rest = uri.AbsolutePath.Length > baseUri.AbsolutePath.Length ? uri.AbsolutePath[baseUri.AbsolutePath.Length..] : "";
        var type = rest.Split('/')[0];
        return profile.Resources.ContainsKey(type) ? type : "Bundle";
    }
}

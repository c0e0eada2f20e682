using System.Net;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Webhooks;
using EhrGrains.Fhir;

namespace EhrGrains.Grains.Webhooks;

/// <summary>What a webhook may be. Pure; where its address leads is the egress guard's to judge, at each connection.</summary>
internal static class WebhookRules
{
    internal const int HeadersMax = 10;
    private const int UrlLengthMax = 2_048;
    private const int HeaderLengthMax = 2_048;
    private const int DescriptionLengthMax = 200;

    private static readonly HashSet<string> OurHeaders = new(StringComparer.OrdinalIgnoreCase)
    {
        "Host", "Connection", "Content-Length", "Content-Type", "Transfer-Encoding", "Expect", "Upgrade", "TE", "Trailer", "User-Agent",
        "webhook-id", "webhook-timestamp", "webhook-signature", "traceparent", "tracestate", "baggage",
    };

    /// <summary>Everything that is wrong with it.</summary>
    internal static IEnumerable<Problem> Check(WebhookSpec spec)
    {
        if (!IsUrl(spec.Url))
        {
            yield return new(
                "EHR-WHK-001", "url",
                $"Give an https URL of at most {UrlLengthMax} characters without user name and fragment; plain http is for a loopback address (127.0.0.1) that the setting EhrGrains:Webhooks:PrivateNetworks names.");
        }

        if (spec.Types.Length > WebhookSpec.FilterMax || !spec.Types.All(ResourceTypes.All.Contains))
        {
            yield return new("EHR-WHK-002", "types", $"Give at most {WebhookSpec.FilterMax} names of FHIR R4 resource types, such as Observation.");
        }

        if (spec.Patients.Length > WebhookSpec.FilterMax || !spec.Patients.All(patient => PatientId.TryParse(patient, out _)))
        {
            yield return new("EHR-WHK-003", "patients", $"Give at most {WebhookSpec.FilterMax} ids of patients' records.");
        }

        if (spec.Description.Length > DescriptionLengthMax || spec.Description.Any(char.IsControl))
        {
            yield return new("EHR-WHK-004", "description", $"Give at most {DescriptionLengthMax} characters, no control characters, no patient data.");
        }
    }

    /// <summary>Whether a header (<c>Name: value</c>) may be sent with a delivery.</summary>
    internal static bool IsHeader(string header)
    {
        var colon = header.IndexOf(':', StringComparison.Ordinal);
        return header.Length <= HeaderLengthMax && colon > 0
            && header.AsSpan(0, colon).IndexOfAnyExcept(TokenCharacters) < 0 && header.All(c => c is >= ' ' and <= '~')
            && !OurHeaders.Contains(header[..colon]);
    }

    // token, RFC 9110 §5.6.2.
    private static readonly System.Buffers.SearchValues<char> TokenCharacters =
        System.Buffers.SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    private static bool IsUrl(string? text) =>
        text is { Length: > 0 and <= UrlLengthMax } && text.All(c => c is > ' ' and <= '~' and not '\\')
        && Uri.TryCreate(text, UriKind.Absolute, out var url) && url is { UserInfo: "", Fragment: "", Host.Length: > 0 }
        && (url.Scheme == Uri.UriSchemeHttps
            || (url.Scheme == Uri.UriSchemeHttp && IPAddress.TryParse(url.IdnHost, out var literal) && IPAddress.IsLoopback(literal)));
}

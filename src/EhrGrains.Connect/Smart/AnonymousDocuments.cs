using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using EhrGrains.Connect.Egress;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Connect.Smart;

/// <summary>What came of asking for a document: the document, a reason why not, or neither when the server has none.</summary>
internal readonly record struct Fetched(JsonDocument? Document, Problem? Failure, bool Transient)
{
    public static Fetched No(string code, string message, bool transient) =>
        new(null, new Problem(code, "connection.baseUrl", message), transient);
}

/// <summary>Reads what a FHIR server shows to anyone: its SMART configuration and its CapabilityStatement. No token is sent.</summary>
internal sealed class AnonymousDocuments(EgressClients egress, ConnectOptions options, TimeProvider time)
{
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 64, AllowDuplicateProperties = false };

    public async Task<Fetched> GetAsync(
        TenantId tenant, ConnectionSpec connection, Uri uri, string accept, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(options.TokenTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, uri);
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
            using var response = await egress.For(tenant, connection)
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            var status = (int)response.StatusCode;
            if (response.StatusCode != HttpStatusCode.OK)
            {
                return status is 408 or 429 or >= 500
                    ? Fetched.No(
                        "EHR-TOK-022",
                        $"Discovery at the FHIR server was answered {status}. It is asked again; if this lasts, ask the hospital.",
                        true)
                    : default;
            }

            var (outcome, body) = await PooledBody.ReadAsync(
                response.Content, BodyBounds.Of(options, options.DiscoveryBytesMax), time, either.Token);
            using (body)
            {
                return body is null
                    ? Fetched.No(
                        "EHR-TOK-023", $"The FHIR server's discovery document was {Said(outcome)}.", outcome != BodyOutcome.TooLarge)
                    : new Fetched(Parse(body.Memory), null, false);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Fetched.No(
                "EHR-TOK-024",
                "The FHIR server did not answer discovery in time. It is asked again; if this lasts, ask the hospital.",
                true);
        }
        catch (HttpRequestException e)
        {
            return FromException(e);
        }
        catch (EgressRefusedException e)
        {
            return Fetched.No("EHR-TOK-025", e.Message, false);
        }
    }

    private static Fetched FromException(HttpRequestException e)
    {
        if (EgressRefusedException.In(e) is { } refused)
        {
            return Fetched.No("EHR-TOK-025", refused.Message, false);
        }

        return e.HttpRequestError == HttpRequestError.SecureConnectionError
            ? Fetched.No("EHR-TOK-026", "The FHIR server's certificate is not trusted, has expired or is for another host. "
                + "If the hospital has its own authority, give it in connection.trustedCertificates.", false)
            : Fetched.No("EHR-TOK-027", "The FHIR server could not be reached. It is asked again; if this lasts, ask the hospital.", true);
    }

    private static string Said(BodyOutcome outcome) => outcome switch
    {
        BodyOutcome.TooLarge => "too large to be one: check the base URL",
        BodyOutcome.TooSlow => "sent too slowly",
        _ => "cut off",
    };

    private static JsonDocument? Parse(ReadOnlyMemory<byte> body)
    {
        try
        {
            // The bytes go back to the pool; the document needs its own.
            return JsonDocument.Parse(body.ToArray(), Strict);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

using EhrGrains.Connect.Egress;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Sites;

namespace EhrGrains.Connect.Smart;

/// <summary>A site's CapabilityStatement, or why it could not be read; exactly one of the two.</summary>
public sealed record SiteAnswer(SiteStatement? Statement, Problem? Failure);

/// <summary>Reads what a FHIR server says of itself (R4 http.html#capabilities), which needs no token.</summary>
public sealed class SiteStatements(EgressClients egress, ConnectOptions options, TimeProvider time)
{
    private readonly AnonymousDocuments documents = new(egress, options, time);

    /// <summary>Reads the CapabilityStatement: one anonymous request.</summary>
    public async Task<SiteAnswer> ReadAsync(TenantId tenant, ConnectionSpec connection, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(connection);
        var fetched = await documents.GetAsync(
            tenant, connection, new Uri(connection.BaseUrl.TrimEnd('/') + "/metadata"), "application/fhir+json", cancellationToken);
        using (fetched.Document)
        {
            var statement = fetched.Document is { } document ? SiteStatement.Read(document.RootElement) : null;
            return statement is not null ? new SiteAnswer(statement, null) : new SiteAnswer(null, fetched.Failure ?? new Problem(
                "EHR-QRK-001",
                "connection.baseUrl",
                "The FHIR server shows no CapabilityStatement under its base URL without a token. Check the base URL; the profile holds as it is."));
        }
    }
}

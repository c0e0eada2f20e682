using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Capabilities;
using EhrGrains.Fhir.Vendors;
using EhrGrains.Grains.Callers;
using EhrGrains.Grains.Tenants;
using Orleans.Concurrency;

namespace EhrGrains.Grains.Query;

/// <summary>
/// Runs queries at one tenant. Reentrant: it holds nothing, and a query spends its time waiting for the hospital.
/// </summary>
[GrainType("ehr.query"), StatelessWorker, Reentrant]
internal sealed class EhrQueryGrain(Queries queries, TenantSnapshots tenants, TimeProvider time) : Grain, IEhrQueryGrain
{
    private TenantId Tenant => TenantId.Parse(this.GetPrimaryKeyString(), null);

    public async Task<FhirResponse> SearchAsync(FhirSearch search, CancellationToken cancellationToken)
    {
        using var answer = await queries.SearchAsync(Tenant, Caller.Current, search, cancellationToken);
        return answer.ToResponse();
    }

    public async Task<FhirResponse> ReadAsync(FhirRead read, CancellationToken cancellationToken)
    {
        using var answer = await queries.ReadAsync(Tenant, Caller.Current, read, cancellationToken);
        return answer.ToResponse();
    }

    public async Task<FhirResponse> EverythingAsync(FhirEverything everything, CancellationToken cancellationToken)
    {
        using var answer = await queries.EverythingAsync(Tenant, Caller.Current, everything, cancellationToken);
        return answer.ToResponse();
    }

    public async Task<FhirResponse> HistoryAsync(FhirHistory history, CancellationToken cancellationToken)
    {
        using var answer = await queries.HistoryAsync(Tenant, Caller.Current, history, cancellationToken);
        return answer.ToResponse();
    }

    // Anonymous, as SMART App Launch and FHIR want it: what it says is what the hospital's product can do.
    public async Task<FhirResponse> GetCapabilitiesAsync(
        string gatewayBase, string? tokenEndpoint, bool summary, CancellationToken cancellationToken)
    {
        var snapshot = await tenants.GetAsync(Tenant, cancellationToken);
        if (snapshot is null or { Lifecycle: Lifecycle.Offboarded } || VendorProfiles.For(snapshot) is not { } profile)
        {
            return QueryAnswer.Refuse(404, "not-found", "EHR-QRY-001", "There is no such tenant.").ToResource().ToResponse();
        }

        // Of the day: it changes with the tenant and with our version, and neither has a time that every silo agrees on.
        var date = new DateTimeOffset(time.GetUtcNow().UtcDateTime.Date, TimeSpan.Zero);
        var body = CapabilityStatements.Write(profile, gatewayBase, tokenEndpoint, snapshot.Spec.DisplayName, date, summary);
        return new FhirResponse { Status = 200, Body = body };
    }
}

using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.Capabilities;

/// <summary>Writes the CapabilityStatement of the normalized surface.</summary>
public static class CapabilityStatements
{
    /// <summary>Writes what callers can ask of a tenant, true to its vendor profile.</summary>
    public static byte[] Write(VendorProfile profile, string gatewayBase, string tenantName, DateTimeOffset date, bool summary) =>
        throw new NotSupportedException(profile.Id + gatewayBase + tenantName + date + summary);
}

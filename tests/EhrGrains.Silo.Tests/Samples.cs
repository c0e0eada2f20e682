namespace EhrGrains.Silo.Tests;

/// <summary>What an operator states about a hospital, as JSON.</summary>
internal static class Samples
{
    internal static object Tenant(string tenant) => new
    {
        tenant,
        displayName = "St. Mary",
        environment = "sandbox",
        timeZone = "America/Chicago",
        connection = new { vendor = "epic", baseUrl = "https://fhir.st-mary.example/api/FHIR/R4", clientId = "our-client-id", authMethod = "privateKeyJwtEs384" },
        budget = new { requests = 20, windowSeconds = 1, concurrency = 8 },
    };
}

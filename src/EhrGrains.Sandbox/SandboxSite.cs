namespace EhrGrains.Sandbox;

/// <summary>What an operator needs to know to connect to one simulated hospital.</summary>
public sealed record SandboxSite
{
    /// <summary>Its EHR product, one of <see cref="SandboxOptions.Products"/>.</summary>
    public required string Vendor { get; init; }

    /// <summary>The tenant id under which it looks for our keys.</summary>
    public required string Tenant { get; init; }

    /// <summary>Its name, for people.</summary>
    public required string DisplayName { get; init; }

    /// <summary>IANA zone of its clocks.</summary>
    public required string TimeZone { get; init; }

    /// <summary>Its FHIR base URL.</summary>
    public required string FhirBaseUrl { get; init; }

    /// <summary>Its token endpoint.</summary>
    public required string TokenUrl { get; init; }

    /// <summary>Where faults, counters and the client are administered: <c>{origin}/_sandbox</c>.</summary>
    public required string AdminUrl { get; init; }

    /// <summary>The client id registered for us.</summary>
    public required string ClientId { get; init; }

    /// <summary>
    /// How the client is expected to authenticate: <c>private_key_jwt</c>, <c>client_secret_basic</c> or <c>client_secret_post</c>.
    /// </summary>
    public required string AuthMethod { get; init; }

    /// <summary>The registered client secret; null where the vendor takes none.</summary>
    public string? ClientSecret { get; init; }

    /// <summary>The key that every FHIR request has to bring in the header <c>x-api-key</c>; null where the product wants none.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Where it fetches the client's public keys.</summary>
    public required string JwksUrl { get; init; }

    /// <summary>Vendor settings of the connection, for example <c>practice</c>.</summary>
    public required IReadOnlyDictionary<string, string> Settings { get; init; }

    /// <summary>MSH-3 of the HL7 v2 messages that it sends.</summary>
    public required string SendingApplication { get; init; }

    /// <summary>MSH-4 of the HL7 v2 messages that it sends, its first component.</summary>
    public required string SendingFacility { get; init; }

    /// <summary>FHIR requests that its contract allows in any second; 0: unlimited.</summary>
    public required int RequestsPerSecond { get; init; }

    /// <summary>Id of the Group that holds every synthetic patient, to export it; hospitals tell such ids by telephone.</summary>
    public required string GroupId { get; init; }

    /// <summary>
    /// A person with a chart at each of the hospitals, and a search that each of them takes:
    /// <c>Patient?family=…&amp;given=…&amp;birthdate=…</c>; null without synthetic patients.
    /// </summary>
    public string? SharedPatientSearch { get; init; }

    /// <summary>
    /// Id of a patient with more than a hundred Observations of category <c>laboratory</c>; null without synthetic patients.
    /// </summary>
    public string? LongChartPatientId { get; init; }
}

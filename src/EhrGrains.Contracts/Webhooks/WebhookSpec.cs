using EhrGrains.Contracts.Apps;

namespace EhrGrains.Contracts.Webhooks;

/// <summary>What a delivery holds of the resources that changed.</summary>
[GenerateSerializer, Alias("ehr.WebhookPayload")]
public enum WebhookPayload
{
    /// <summary>Their types and ids: who gets them reads what it needs.</summary>
    Ids = 0,

    /// <summary>The resources themselves, each in the version that the change made.</summary>
    Resource = 1,
}

/// <summary>What a delivery looks like; the signature headers are the same.</summary>
[GenerateSerializer, Alias("ehr.WebhookFormat")]
public enum WebhookFormat
{
    /// <summary>JSON as the Standard Webhooks specification has it.</summary>
    Standard = 0,

    /// <summary>A notification Bundle of the FHIR R4 Subscriptions Backport; made by way of a Subscription resource.</summary>
    Subscription = 1,
}

/// <summary>Where the changes of a tenant are delivered, and which of them.</summary>
[GenerateSerializer, Immutable, Alias("ehr.WebhookSpec")]
public sealed record WebhookSpec
{
    /// <summary>The most types, and the most patients, that a webhook names.</summary>
    public const int FilterMax = 100;

    /// <summary>The app that the receiver belongs to: changes of types that its grant allows to read are delivered, no others.</summary>
    [Id(0)]
    public required AppId App { get; init; }

    /// <summary>
    /// Where to. https, at most 2,048 characters; plain http to a loopback address that the silo's settings name. Not in any log.
    /// </summary>
    [Id(1)]
    public required string Url { get; init; }

    /// <summary>Only changes of these resource types; empty: of all.</summary>
    [Id(2)]
    public string[] Types { get; init; } = [];

    /// <summary>Only changes of these patients, by id; empty: of all.</summary>
    [Id(3)]
    public string[] Patients { get; init; } = [];

    /// <summary>What a delivery holds.</summary>
    [Id(4)]
    public WebhookPayload Payload { get; init; }

    /// <summary>What a delivery looks like.</summary>
    [Id(5)]
    public WebhookFormat Format { get; init; }

    /// <summary>The FHIR base that the URLs in a notification begin with; of subscriptions.</summary>
    [Id(6)]
    public string? FhirBase { get; init; }

    /// <summary>What it is for; at most 200 characters.</summary>
    [Id(7)]
    public string Description { get; init; } = "";

    /// <inheritdoc/>
    public override string ToString() => $"WebhookSpec of {App}";
}

using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Webhooks;

/// <summary>
/// Names one webhook of a tenant, which is also the id of its FHIR Subscription. Same alphabet and length as a <see cref="TenantId"/>;
/// unique within its tenant. It appears in keys, logs and commands.
/// </summary>
[GenerateSerializer, Immutable, Alias("ehr.WebhookId")]
[JsonConverter(typeof(WebhookIdJsonConverter))]
public readonly record struct WebhookId : IParsable<WebhookId>
{
    [Id(0)]
    private readonly string? value;

    private WebhookId(string value) => this.value = value;

    /// <summary>The label itself.</summary>
    /// <exception cref="InvalidOperationException">The id is the default value, which names no webhook.</exception>
    public string Value => value ?? throw new InvalidOperationException("This WebhookId was never set.");

    /// <summary>Reads a webhook id.</summary>
    /// <exception cref="FormatException"><paramref name="s"/> is not a webhook id.</exception>
    public static WebhookId Parse(string s, IFormatProvider? provider) =>
        TryParse(s, provider, out var id)
            ? id
            : throw new FormatException("A webhook id has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");

    /// <summary>Reads a webhook id; false when the text is not one.</summary>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out WebhookId result)
    {
        var valid = Label.IsValid(s, TenantId.LengthMax);
        result = valid ? new WebhookId(s!) : default;
        return valid;
    }

    /// <inheritdoc cref="Parse(string, IFormatProvider?)"/>
    public static WebhookId Parse(string s) => Parse(s, null);

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out WebhookId)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, out WebhookId result) => TryParse(s, null, out result);

    /// <inheritdoc/>
    public override string ToString() => value ?? "";
}

internal sealed class WebhookIdJsonConverter : JsonConverter<WebhookId>
{
    public override WebhookId Read(ref System.Text.Json.Utf8JsonReader reader, Type typeToConvert, System.Text.Json.JsonSerializerOptions options) =>
        WebhookId.TryParse(reader.GetString(), out var id) ? id : throw new System.Text.Json.JsonException("Not a webhook id.");

    public override void Write(System.Text.Json.Utf8JsonWriter writer, WebhookId value, System.Text.Json.JsonSerializerOptions options) =>
        writer.WriteStringValue(value.Value);
}

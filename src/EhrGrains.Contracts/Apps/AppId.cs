using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Apps;

/// <summary>
/// Names a client of the gateway; it is the OAuth 2.0 <c>client_id</c>. Same alphabet and length as a <see cref="TenantId"/>.
/// </summary>
[GenerateSerializer, Immutable, Alias("ehr.AppId")]
[JsonConverter(typeof(AppIdJsonConverter))]
public readonly record struct AppId : IParsable<AppId>
{
    [Id(0)]
    private readonly string? value;

    private AppId(string value) => this.value = value;

    /// <summary>The label itself.</summary>
    /// <exception cref="InvalidOperationException">The id is the default value, which names no app.</exception>
    public string Value => value ?? throw new InvalidOperationException("This AppId was never set.");

    /// <summary>Reads an app id.</summary>
    /// <exception cref="FormatException"><paramref name="s"/> is not an app id.</exception>
    public static AppId Parse(string s, IFormatProvider? provider) =>
        TryParse(s, provider, out var id)
            ? id
            : throw new FormatException("An app id has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");

    /// <summary>Reads an app id; false when the text is not one.</summary>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out AppId result)
    {
        var valid = Label.IsValid(s, TenantId.LengthMax);
        result = valid ? new AppId(s!) : default;
        return valid;
    }

    /// <inheritdoc cref="Parse(string, IFormatProvider?)"/>
    public static AppId Parse(string s) => Parse(s, null);

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out AppId)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, out AppId result) => TryParse(s, null, out result);

    /// <inheritdoc/>
    public override string ToString() => value ?? "";
}

internal sealed class AppIdJsonConverter : JsonConverter<AppId>
{
    public override AppId Read(ref System.Text.Json.Utf8JsonReader reader, Type typeToConvert, System.Text.Json.JsonSerializerOptions options) =>
        AppId.TryParse(reader.GetString(), out var id) ? id : throw new System.Text.Json.JsonException("Not an app id.");

    public override void Write(System.Text.Json.Utf8JsonWriter writer, AppId value, System.Text.Json.JsonSerializerOptions options) =>
        writer.WriteStringValue(value.Value);
}

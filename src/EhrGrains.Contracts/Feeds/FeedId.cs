using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Feeds;

/// <summary>
/// Names one feed of a tenant. Same alphabet and length as a <see cref="TenantId"/>; unique within its tenant. It appears in keys,
/// logs and commands.
/// </summary>
[GenerateSerializer, Immutable, Alias("ehr.FeedId")]
[JsonConverter(typeof(FeedIdJsonConverter))]
public readonly record struct FeedId : IParsable<FeedId>
{
    [Id(0)]
    private readonly string? value;

    private FeedId(string value) => this.value = value;

    /// <summary>The label itself.</summary>
    /// <exception cref="InvalidOperationException">The id is the default value, which names no feed.</exception>
    public string Value => value ?? throw new InvalidOperationException("This FeedId was never set.");

    /// <summary>Reads a feed id.</summary>
    /// <exception cref="FormatException"><paramref name="s"/> is not a feed id.</exception>
    public static FeedId Parse(string s, IFormatProvider? provider) =>
        TryParse(s, provider, out var id)
            ? id
            : throw new FormatException("A feed id has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");

    /// <summary>Reads a feed id; false when the text is not one.</summary>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out FeedId result)
    {
        var valid = Label.IsValid(s, TenantId.LengthMax);
        result = valid ? new FeedId(s!) : default;
        return valid;
    }

    /// <inheritdoc cref="Parse(string, IFormatProvider?)"/>
    public static FeedId Parse(string s) => Parse(s, null);

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out FeedId)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, out FeedId result) => TryParse(s, null, out result);

    /// <inheritdoc/>
    public override string ToString() => value ?? "";
}

internal sealed class FeedIdJsonConverter : JsonConverter<FeedId>
{
    public override FeedId Read(ref System.Text.Json.Utf8JsonReader reader, Type typeToConvert, System.Text.Json.JsonSerializerOptions options) =>
        FeedId.TryParse(reader.GetString(), out var id) ? id : throw new System.Text.Json.JsonException("Not a feed id.");

    public override void Write(System.Text.Json.Utf8JsonWriter writer, FeedId value, System.Text.Json.JsonSerializerOptions options) =>
        writer.WriteStringValue(value.Value);
}

using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace EhrGrains.Contracts.Tenants;

/// <summary>
/// Names one hospital site in one environment. A tenant id is an opaque label chosen by the operator: 1–63 characters,
/// lower-case letters, digits and hyphens, starting with a letter. It appears in URLs, keys, logs and metrics, so it never
/// holds a patient's or a person's data.
/// </summary>
[GenerateSerializer, Immutable, Alias("ehr.TenantId")]
[JsonConverter(typeof(TenantIdJsonConverter))]
public readonly record struct TenantId : IParsable<TenantId>
{
    /// <summary>The longest tenant id in characters: one DNS label, so that a tenant can have a host name of its own.</summary>
    public const int LengthMax = 63;

    [Id(0)]
    private readonly string? value;

    private TenantId(string value) => this.value = value;

    /// <summary>The label itself.</summary>
    /// <exception cref="InvalidOperationException">The id is the default value, which names no tenant.</exception>
    public string Value => value ?? throw new InvalidOperationException("This TenantId was never set.");

    /// <summary>Reads a tenant id.</summary>
    /// <exception cref="FormatException"><paramref name="s"/> is not a tenant id.</exception>
    public static TenantId Parse(string s, IFormatProvider? provider) =>
        TryParse(s, provider, out var id)
            ? id
            : throw new FormatException("A tenant id has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");

    /// <summary>Reads a tenant id; false when the text is not one.</summary>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out TenantId result)
    {
        var valid = Label.IsValid(s, LengthMax);
        result = valid ? new TenantId(s!) : default;
        return valid;
    }

    /// <inheritdoc cref="Parse(string, IFormatProvider?)"/>
    public static TenantId Parse(string s) => Parse(s, null);

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out TenantId)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, out TenantId result) => TryParse(s, null, out result);

    /// <inheritdoc/>
    public override string ToString() => value ?? "";
}

/// <summary>The one rule for labels that end up in keys and URLs.</summary>
internal static class Label
{
    internal static bool IsValid([NotNullWhen(true)] string? s, int lengthMax)
    {
        if (string.IsNullOrEmpty(s) || s.Length > lengthMax || !char.IsAsciiLetterLower(s[0]))
        {
            return false;
        }

        foreach (var c in s)
        {
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '-')
            {
                return false;
            }
        }

        return true;
    }
}

internal sealed class TenantIdJsonConverter : JsonConverter<TenantId>
{
    public override TenantId Read(ref System.Text.Json.Utf8JsonReader reader, Type typeToConvert, System.Text.Json.JsonSerializerOptions options) =>
        TenantId.TryParse(reader.GetString(), out var id) ? id : throw new System.Text.Json.JsonException("Not a tenant id.");

    public override void Write(System.Text.Json.Utf8JsonWriter writer, TenantId value, System.Text.Json.JsonSerializerOptions options) =>
        writer.WriteStringValue(value.Value);
}

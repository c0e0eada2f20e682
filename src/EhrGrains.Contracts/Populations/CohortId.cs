using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Populations;

/// <summary>
/// Names one cohort of a tenant: the patients whose copy is kept for one purpose. Same alphabet and length as a <see cref="TenantId"/>;
/// unique within its tenant. It appears in keys, logs and commands.
/// </summary>
[GenerateSerializer, Immutable, Alias("ehr.CohortId")]
[JsonConverter(typeof(CohortIdJsonConverter))]
public readonly record struct CohortId : IParsable<CohortId>
{
    [Id(0)]
    private readonly string? value;

    private CohortId(string value) => this.value = value;

    /// <summary>The label itself.</summary>
    /// <exception cref="InvalidOperationException">The id is the default value, which names no cohort.</exception>
    public string Value => value ?? throw new InvalidOperationException("This CohortId was never set.");

    /// <summary>Reads a cohort id.</summary>
    /// <exception cref="FormatException"><paramref name="s"/> is not a cohort id.</exception>
    public static CohortId Parse(string s, IFormatProvider? provider) =>
        TryParse(s, provider, out var id)
            ? id
            : throw new FormatException("A cohort id has 1 to 63 characters: a-z, 0-9 and '-', starting with a letter.");

    /// <summary>Reads a cohort id; false when the text is not one.</summary>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out CohortId result)
    {
        var valid = Label.IsValid(s, TenantId.LengthMax);
        result = valid ? new CohortId(s!) : default;
        return valid;
    }

    /// <inheritdoc cref="Parse(string, IFormatProvider?)"/>
    public static CohortId Parse(string s) => Parse(s, null);

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out CohortId)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, out CohortId result) => TryParse(s, null, out result);

    /// <inheritdoc/>
    public override string ToString() => value ?? "";
}

internal sealed class CohortIdJsonConverter : JsonConverter<CohortId>
{
    public override CohortId Read(ref System.Text.Json.Utf8JsonReader reader, Type typeToConvert, System.Text.Json.JsonSerializerOptions options) =>
        CohortId.TryParse(reader.GetString(), out var id) ? id : throw new System.Text.Json.JsonException("Not a cohort id.");

    public override void Write(System.Text.Json.Utf8JsonWriter writer, CohortId value, System.Text.Json.JsonSerializerOptions options) =>
        writer.WriteStringValue(value.Value);
}

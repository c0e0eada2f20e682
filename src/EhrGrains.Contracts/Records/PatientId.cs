using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace EhrGrains.Contracts.Records;

/// <summary>
/// Names one patient record of a tenant, and is the logical id of its Patient resource. Opaque: 1–64 characters of A–Z, a–z, 0–9,
/// '-' and '.', as FHIR R4 §2.24.0.1 (id) has them; never an MRN or derived from one without a key, for it appears in keys, URLs and logs.
/// </summary>
[GenerateSerializer, Immutable, Alias("ehr.PatientId")]
[JsonConverter(typeof(PatientIdJsonConverter))]
public readonly record struct PatientId : IParsable<PatientId>
{
    /// <summary>The longest id in characters.</summary>
    public const int LengthMax = 64;

    [Id(0)]
    private readonly string? value;

    private PatientId(string value) => this.value = value;

    /// <summary>The id itself.</summary>
    /// <exception cref="InvalidOperationException">The id is the default value, which names no patient.</exception>
    public string Value => value ?? throw new InvalidOperationException("This PatientId was never set.");

    /// <summary>Reads a patient id.</summary>
    /// <exception cref="FormatException"><paramref name="s"/> is not a patient id.</exception>
    public static PatientId Parse(string s, IFormatProvider? provider) =>
        TryParse(s, provider, out var id)
            ? id
            : throw new FormatException("A patient id has 1 to 64 characters: A-Z, a-z, 0-9, '-' and '.'.");

    /// <summary>Reads a patient id; false when the text is not one.</summary>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out PatientId result)
    {
        var valid = s is { Length: >= 1 and <= LengthMax } && s.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.');
        result = valid ? new PatientId(s!) : default;
        return valid;
    }

    /// <inheritdoc cref="Parse(string, IFormatProvider?)"/>
    public static PatientId Parse(string s) => Parse(s, null);

    /// <inheritdoc cref="TryParse(string?, IFormatProvider?, out PatientId)"/>
    public static bool TryParse([NotNullWhen(true)] string? s, out PatientId result) => TryParse(s, null, out result);

    /// <inheritdoc/>
    public override string ToString() => value ?? "";
}

internal sealed class PatientIdJsonConverter : JsonConverter<PatientId>
{
    public override PatientId Read(ref System.Text.Json.Utf8JsonReader reader, Type typeToConvert, System.Text.Json.JsonSerializerOptions options) =>
        PatientId.TryParse(reader.GetString(), out var id) ? id : throw new System.Text.Json.JsonException("Not a patient id.");

    public override void Write(System.Text.Json.Utf8JsonWriter writer, PatientId value, System.Text.Json.JsonSerializerOptions options) =>
        writer.WriteStringValue(value.Value);
}

using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace EhrGrains.Sandbox.Hospitals;

/// <summary>How JSON is written and read here.</summary>
internal static class JsonText
{
    /// <summary>Letters stay letters, as EHRs send them.</summary>
    public static readonly JsonSerializerOptions Fhir = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The admin endpoints: a member that is not known is an error, so that a typing mistake does not go unseen.</summary>
    public static readonly JsonSerializerOptions Admin = new(JsonSerializerDefaults.Web)
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
    };

    public static byte[] Write<T>(T value) => JsonSerializer.SerializeToUtf8Bytes(value, Fhir);
}

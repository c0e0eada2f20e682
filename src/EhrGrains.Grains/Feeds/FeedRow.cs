using System.Text.Json;
using System.Text.Json.Serialization;
using EhrGrains.Contracts.Feeds;

namespace EhrGrains.Grains.Feeds;

/// <summary>What the feed table holds of a feed: enough to take its messages without asking its tenant.</summary>
/// <param name="Spec">The feed.</param>
/// <param name="IsOpen">False while its tenant is suspended: messages are then refused for now, and their sender keeps them.</param>
internal sealed record FeedRow(FeedSpec Spec, bool IsOpen)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    internal string Write() => JsonSerializer.Serialize(this, Json);

    internal static FeedRow Read(string json) =>
        JsonSerializer.Deserialize<FeedRow>(json, Json) ?? throw new JsonException("A row of the feed table is null.");
}

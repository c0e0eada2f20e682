using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace EhrGrains.Sandbox.Edits;

/// <summary>What a hospital's staff does to its charts.</summary>
internal enum EditKind
{
    /// <summary>A resource that was not there: <see cref="Edit.Resource"/>.</summary>
    Add,

    /// <summary>Members of a resource are set, or with null removed: <see cref="Edit.Set"/>, a JSON Merge Patch (RFC 7396).</summary>
    Update,

    /// <summary>A resource is deleted.</summary>
    Delete,

    /// <summary>The record of the patient <see cref="Edit.Id"/> is combined into that of <see cref="Edit.Into"/>.</summary>
    Merge,
}

/// <summary>One edit.</summary>
internal sealed record Edit
{
    public required EditKind Kind { get; init; }

    /// <summary>The resource's type; for a merge always Patient, and need not be said.</summary>
    public string? Type { get; init; }

    public string? Id { get; init; }

    public JsonObject? Resource { get; init; }

    public JsonObject? Set { get; init; }

    public string? Into { get; init; }

    /// <summary>What is not said and needs to be.</summary>
    [JsonIgnore]
    public IEnumerable<string> Problems
    {
        get
        {
            if (Kind == EditKind.Add && (Text(Resource, "resourceType") is null || Text(Resource, "id") is null))
            {
                yield return "resource: with resourceType and id, to add it.";
            }

            if (Kind is EditKind.Update or EditKind.Delete && (Type is null || Id is null))
            {
                yield return "type and id: of the resource.";
            }

            if (Kind == EditKind.Update && (Set is null || Set.ContainsKey("id") || Set.ContainsKey("resourceType")))
            {
                yield return "set: the members to change; id and resourceType stay.";
            }

            if (Kind == EditKind.Merge && (Id is null || Into is null || Id == Into))
            {
                yield return "id and into: two patients.";
            }
        }
    }

    private static string? Text(JsonObject? resource, string name) =>
        resource?[name] is JsonValue value && value.TryGetValue<string>(out var text) && text.Length > 0 ? text : null;
}

/// <summary>Edits that happen in the same second: the body of <c>POST /_sandbox/edits</c>.</summary>
internal sealed record EditList
{
    public const int EditsMax = 1000;

    public required IReadOnlyList<Edit> Edits { get; init; }

    /// <summary>When; null: now, by the hospital's clock. Cut to the second, as charts tell it.</summary>
    public DateTimeOffset? At { get; init; }

    [JsonIgnore]
    public IEnumerable<string> Problems =>
        Edits.Count is 0 or > EditsMax
            ? [$"edits: 1 to {EditsMax}."]
            : Edits.SelectMany((edit, i) => edit.Problems.Select(problem => $"edits[{i}].{problem}"));
}

/// <summary>What came of edits: the second they are stamped with, and the resources that were written or deleted.</summary>
internal sealed record EditReceipt(DateTime At, IReadOnlyList<EditedResource> Edited);

/// <summary>A resource that an edit touched.</summary>
internal sealed record EditedResource(string Type, string Id, bool Deleted);

using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using EhrGrains.Contracts;
using EhrGrains.Fhir.Normalization;

namespace EhrGrains.Fhir.Writes;

/// <summary>
/// A resource that an application wants written, read and checked, on its way to the EHR: references and ids become the EHR's own again,
/// and it gets a mark by which it is found. Holds PHI; prints without.
/// </summary>
public sealed class WriteDraft
{
    /// <summary>The system of the identifier that marks what we have written.</summary>
    public const string StampSystem = "https://ehrgrains.dev/fhir/write";

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 64, AllowDuplicateProperties = false };

    private static readonly string[] Subjects = ["subject", "patient", "beneficiary"];

    private readonly JsonObject resource;
    private readonly string type;
    private readonly List<(JsonObject Holder, string Prefix, string Id)> references = [];

    private WriteDraft(JsonObject resource, string type) => (this.resource, this.type) = (resource, type);

    /// <summary>The patient that it is about, by the id that the gateway gives; null: it is about none.</summary>
    public string? Patient { get; private set; }

    /// <summary>The ids in its references that have to be looked up.</summary>
    public IEnumerable<string> Aliases => references.Select(reference => reference.Id).Where(ResourceIds.IsAlias);

    /// <summary>Reads a resource with everything that is wrong with it; the draft is null when it is not FHIR JSON at all.</summary>
    /// <param name="json">It.</param>
    /// <param name="type">The type that it has to be of.</param>
    /// <param name="id">For an update: the id that it has to have.</param>
    /// <param name="gatewayBase">What an absolute reference may begin with.</param>
    public static (WriteDraft? Draft, IReadOnlyList<Problem> Problems) Read(ReadOnlyMemory<byte> json, string type, string? id, string gatewayBase)
    {
        JsonObject? read;
        try
        {
            read = JsonNode.Parse(json.Span, documentOptions: Strict) as JsonObject;
        }
        catch (JsonException)
        {
            read = null;
        }

        if (read is null)
        {
            return (null, [new Problem("EHR-WRT-001", "", "The body is not one JSON object: send the resource as application/fhir+json.")]);
        }

        if (TextOf(read, "resourceType") != type)
        {
            return (null, [new Problem("EHR-WRT-002", "resourceType", $"The resource has to be a {type}, as the URL says.")]);
        }

        var problems = new List<Problem>();
        if (id is not null && TextOf(read, "id") != id)
        {
            problems.Add(new("EHR-WRT-003", $"{type}.id", "For an update the resource's id has to be the one in the URL (R4 http.html#update)."));
        }

        var draft = new WriteDraft(read, type);
        draft.Gather(read, type, gatewayBase, problems);
        draft.FindPatient(problems);
        return (draft, problems);
    }

    /// <summary>The search parameters that find what was created, with what this resource says of itself; those it says nothing of are left out.</summary>
    public IEnumerable<KeyValuePair<string, string>> SearchedBy(IReadOnlyList<string> parameters)
    {
        foreach (var parameter in parameters)
        {
            var value = parameter switch
            {
                "category" => CodingOf((resource["category"] as JsonArray)?.FirstOrDefault()),
                "code" => CodingOf(resource["code"]),
                "date" => DateOf(),
                _ => null,
            };
            if (value is not null)
            {
                yield return KeyValuePair.Create(parameter, value);
            }
        }
    }

    /// <summary>The resource for the EHR.</summary>
    /// <param name="ehrId">For an update: the EHR's own id; null for a create, whose id the EHR gives.</param>
    /// <param name="original">The EHR's own id of an id that the gateway gave; null: it never gave it.</param>
    /// <param name="stamp">The mark; null: none.</param>
    /// <param name="problems">References that lead nowhere.</param>
    public byte[] Write(string? ehrId, Func<string, string?> original, string? stamp, IList<Problem> problems)
    {
        ArgumentNullException.ThrowIfNull(original);
        ArgumentNullException.ThrowIfNull(problems);
        foreach (var (holder, prefix, id) in references)
        {
            if (original(id) is { } own)
            {
                holder["reference"] = prefix + own;
            }
            else
            {
                problems.Add(new("EHR-WRT-006", Path(holder), "This reference is to a resource that the tenant does not have, as far as the gateway has ever said."));
            }
        }

        resource.Remove("id");
        if (ehrId is not null)
        {
            resource["id"] = ehrId;
        }

        // Both are the server's to say (R4 http.html#create).
        if (resource["meta"] is JsonObject meta)
        {
            meta.Remove("versionId");
            meta.Remove("lastUpdated");
            if (meta.Count == 0)
            {
                resource.Remove("meta");
            }
        }

        if (stamp is not null)
        {
            Mark(stamp);
        }

        return Encoding.UTF8.GetBytes(resource.ToJsonString());
    }

    /// <inheritdoc/>
    public override string ToString() => $"WriteDraft {type}";

    // R4 references.html: a literal reference is relative or absolute; one to a contained resource begins with '#'.
    private void Gather(JsonNode? node, string path, string gatewayBase, List<Problem> problems)
    {
        switch (node)
        {
            case JsonArray array:
                for (var i = 0; i < array.Count; i++)
                {
                    Gather(array[i], $"{path}[{i}]", gatewayBase, problems);
                }

                break;
            case JsonObject item:
                if (item["reference"] is JsonValue && TextOf(item, "reference") is { } reference && !reference.StartsWith('#'))
                {
                    Note(item, reference, path, gatewayBase, problems);
                }

                foreach (var (name, child) in item)
                {
                    Gather(child, $"{path}.{name}", gatewayBase, problems);
                }

                break;
        }
    }

    private void Note(JsonObject holder, string reference, string path, string gatewayBase, List<Problem> problems)
    {
        var relative = reference.StartsWith(gatewayBase + "/", StringComparison.Ordinal) ? reference[(gatewayBase.Length + 1)..] : reference;
        if (relative.Split('/') is not [var name, var id] || !ResourceTypes.All.Contains(name) || !ResourceIds.IsLegal(id))
        {
            problems.Add(new(
                "EHR-WRT-005", $"{path}.reference", "References are Type/id with ids as the gateway gives them: what is elsewhere the hospital cannot follow."));
            return;
        }

        references.Add((holder, name + "/", id));
    }

    private void FindPatient(List<Problem> problems)
    {
        if (type == "Patient")
        {
            Patient = TextOf(resource, "id");
            return;
        }

        var holder = Subjects.Select(name => resource[name] as JsonObject).FirstOrDefault(found => found is not null);
        var reference = references.Find(one => one.Holder == holder);
        Patient = reference.Prefix == "Patient/" ? reference.Id : null;
        if (holder is not null && Patient is null && !problems.Exists(problem => problem.Code == "EHR-WRT-005"))
        {
            problems.Add(new("EHR-WRT-007", Path(holder), "The subject has to be a Patient of this tenant: Patient/id."));
        }
    }

    // A list of identifiers takes one more; where there is one at most (QuestionnaireResponse) the application's own stays.
    private void Mark(string stamp)
    {
        var identifier = new JsonObject { ["system"] = StampSystem, ["value"] = stamp };
        var element = Hl7.Fhir.Model.ModelInfo.ModelInspector.FindClassMapping(type)?.FindMappedElementByName("identifier");
        if (element is { IsCollection: false })
        {
            resource["identifier"] ??= identifier;
        }
        else if (element is not null)
        {
            var list = resource["identifier"] as JsonArray ?? [];
            resource["identifier"] = list.Parent is null ? list : resource["identifier"];
            list.Add((JsonNode)identifier);
        }
    }

    private string? DateOf()
    {
        var at = TextOf(resource, "effectiveDateTime") ?? TextOf(resource, "effectiveInstant") ?? TextOf(resource["effectivePeriod"] as JsonObject, "start")
            ?? TextOf(resource, "date");
        return at is { Length: >= 10 } ? at[..10] : null;
    }

    private static string? CodingOf(JsonNode? concept) =>
        ((concept as JsonObject)?["coding"] as JsonArray)?.FirstOrDefault() is JsonObject coding && TextOf(coding, "code") is { } code
            ? $"{TextOf(coding, "system")}|{code}"
            : null;

    private static string? TextOf(JsonObject? holder, string name) =>
        holder?[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private string Path(JsonObject holder) => type + holder.GetPath()[1..] + ".reference";
}

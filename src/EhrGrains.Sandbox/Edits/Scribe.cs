using System.Globalization;
using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Charts;

namespace EhrGrains.Sandbox.Edits;

/// <summary>
/// Writes edits into a hospital's charts, as its product does: what a resource says of its own version and change is brought up to
/// date where the product says it at all.
/// </summary>
internal sealed class Scribe(ChartStore charts, TimeProvider time)
{
    private readonly Lock gate = new();

    /// <summary>Either what was done or every reason why nothing was.</summary>
    public (EditReceipt? Receipt, string? Problem) Write(EditList list)
    {
        lock (gate)
        {
            var problems = list.Problems.ToArray();
            problems = problems.Length > 0 ? problems : [.. list.Edits.SelectMany(Unknown)];
            if (problems.Length > 0)
            {
                return (null, string.Join(' ', problems));
            }

            var now = (list.At ?? time.GetUtcNow()).UtcDateTime;
            var at = new DateTime(now.Ticks - now.Ticks % TimeSpan.TicksPerSecond, DateTimeKind.Utc);
            return (new EditReceipt(at, [.. list.Edits.SelectMany(edit => Write(edit, at)).Distinct()]), null);
        }
    }

    private IEnumerable<string> Unknown(Edit edit, int i)
    {
        (string Type, string? Id)[] needed = edit.Kind switch
        {
            EditKind.Merge => [("Patient", edit.Id), ("Patient", edit.Into)],
            EditKind.Add => [],
            _ => [(edit.Type!, edit.Id)],
        };
        return needed.Where(one => charts.Find(one.Type, one.Id!) is null).Select(one => $"edits[{i}]: there is no such {one.Type}.");
    }

    private List<EditedResource> Write(Edit edit, DateTime at)
    {
        switch (edit.Kind)
        {
            case EditKind.Add:
                var added = edit.Resource!.DeepClone().AsObject();
                return [Put(added, at)];
            case EditKind.Update:
                var resource = Read(charts.Find(edit.Type!, edit.Id!)!);
                Merge(resource, edit.Set!);
                return [Put(resource, at)];
            case EditKind.Delete:
                charts.Delete(edit.Type!, edit.Id!, at);
                return [new EditedResource(edit.Type!, edit.Id!, Deleted: true)];
            default:
                return Combine(edit.Id!, edit.Into!, at);
        }
    }

    // Everything that was about the one is about the other from now on; the one's record stays, and says where it went.
    private List<EditedResource> Combine(string from, string into, DateTime at)
    {
        var edited = new List<EditedResource>();
        foreach (var stored in charts.OfPatient(from).Where(static stored => stored.Type != "Patient").ToArray())
        {
            var resource = Read(stored);
            Redirect(resource, from, into);
            edited.Add(Put(resource, at));
        }

        var away = Read(charts.Find("Patient", from)!);
        away["active"] = false;
        away["link"] = Elements.List(new JsonObject { ["other"] = Elements.Reference("Patient", into), ["type"] = "replaced-by" });
        edited.Add(Put(away, at));
        return edited;
    }

    private EditedResource Put(JsonObject resource, DateTime at)
    {
        if (resource["meta"] is JsonObject meta)
        {
            if (meta["versionId"] is JsonValue version && long.TryParse(version.ToString(), CultureInfo.InvariantCulture, out var number))
            {
                meta["versionId"] = (number + 1).ToString(CultureInfo.InvariantCulture);
            }

            if (meta.ContainsKey("lastUpdated"))
            {
                meta["lastUpdated"] = Elements.Instant(at);
            }
        }

        charts.Put(resource, at);
        return new EditedResource((string)resource["resourceType"]!, (string)resource["id"]!, Deleted: false);
    }

    private static JsonObject Read(StoredResource stored) => JsonNode.Parse(stored.Json.Span)!.AsObject();

    private static void Merge(JsonObject target, JsonObject patch)
    {
        foreach (var (name, value) in patch)
        {
            switch (value)
            {
                case null:
                    target.Remove(name);
                    break;
                case JsonObject inner when target[name] is JsonObject before:
                    Merge(before, inner);
                    break;
                default:
                    target[name] = value.DeepClone();
                    break;
            }
        }
    }

    private static void Redirect(JsonNode? node, string from, string into)
    {
        switch (node)
        {
            case JsonArray array:
                foreach (var item in array)
                {
                    Redirect(item, from, into);
                }

                break;
            case JsonObject item:
                if (item["reference"] is JsonValue value && value.TryGetValue<string>(out var reference)
                    && (reference == "Patient/" + from || reference.EndsWith("/Patient/" + from, StringComparison.Ordinal)))
                {
                    item["reference"] = reference[..^from.Length] + into;
                }

                foreach (var (_, child) in item)
                {
                    Redirect(child, from, into);
                }

                break;
        }
    }
}

using System.Text.Json.Nodes;
using EhrGrains.Sandbox.Hospitals;

namespace EhrGrains.Sandbox.Charts;

/// <summary>Reads FHIR resources from a folder: single resources, Bundles of any type, NDJSON.</summary>
internal static class DataFolder
{
    /// <summary>No more files than this: the folder is read into memory.</summary>
    private const int FilesMax = 10_000;

    /// <exception cref="InvalidDataException">
    /// The folder is missing, too large, or a file is no FHIR JSON; the message names it.
    /// </exception>
    public static IReadOnlyList<byte[]> Read(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new InvalidDataException(
                $"The data directory '{folder}' does not exist. Set DataDirectory to a folder of FHIR .json or .ndjson files.");
        }

        var files = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(file => Path.GetExtension(file) is ".json" or ".ndjson")
            .Order(StringComparer.Ordinal)
            .Take(FilesMax + 1)
            .ToArray();
        if (files.Length > FilesMax)
        {
            throw new InvalidDataException($"The data directory '{folder}' has more than {FilesMax} files. Point DataDirectory to fewer.");
        }

        return [.. files.SelectMany(ReadFile).Select(JsonText.Write)];
    }

    private static IEnumerable<JsonObject> ReadFile(string file)
    {
        try
        {
            return Path.GetExtension(file) == ".ndjson"
                ? [.. File.ReadLines(file).Where(line => !string.IsNullOrWhiteSpace(line)).SelectMany(line => Unpack(JsonNode.Parse(line)))]
                : [.. Unpack(JsonNode.Parse(File.ReadAllBytes(file)))];
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or InvalidDataException or InvalidOperationException)
        {
            throw new InvalidDataException(
                $"The file '{file}' is not FHIR JSON: it needs a resource or a Bundle with resourceType and ids.", e);
        }
    }

    private static IEnumerable<JsonObject> Unpack(JsonNode? node)
    {
        if (node is not JsonObject resource || resource["resourceType"] is null)
        {
            throw new InvalidDataException("There is no resourceType.");
        }

        if (resource["resourceType"]!.GetValue<string>() != "Bundle")
        {
            return resource["id"] is null ? throw new InvalidDataException("There is no id.") : [resource];
        }

        var entries = (resource["entry"] as JsonArray ?? []).OfType<JsonObject>().Where(entry => entry["resource"] is JsonObject).ToArray();
        var addresses = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            var inner = entry["resource"]!.AsObject();
            var fullUrl = entry["fullUrl"]?.GetValue<string>();
            // In a transaction ids are the server's to give; the UUID that the entry goes by will do.
            inner["id"] ??= fullUrl?[(fullUrl.LastIndexOf(':') + 1)..]
                ?? throw new InvalidDataException("An entry has neither id nor fullUrl.");
            if (fullUrl is not null)
            {
                addresses[fullUrl] = $"{inner["resourceType"]}/{inner["id"]}";
            }
        }

        foreach (var entry in entries)
        {
            Resolve(entry["resource"], addresses);
        }

        return entries.Select(entry => entry["resource"]!.AsObject());
    }

    private static void Resolve(JsonNode? node, Dictionary<string, string> addresses)
    {
        switch (node)
        {
            case JsonArray array:
                foreach (var item in array)
                {
                    Resolve(item, addresses);
                }

                break;
            case JsonObject item:
                if (item["reference"] is JsonValue value && value.TryGetValue<string>(out var reference)
                    && addresses.TryGetValue(reference, out var address))
                {
                    item["reference"] = address;
                }

                foreach (var (_, child) in item)
                {
                    Resolve(child, addresses);
                }

                break;
        }
    }
}

using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace EhrGrains.Grains.Sync;

/// <summary>What the copying of a resource has to know of it; read in one pass over its bytes.</summary>
/// <param name="Type">Its type.</param>
/// <param name="Id">Its logical id.</param>
/// <param name="Patient">The logical id of the patient that it says it is of; null: it says none.</param>
/// <param name="LastUpdated">When the EHR says that it was changed.</param>
/// <param name="Hash">Of its content, without version, time and source.</param>
/// <param name="References">What it refers to in the places that were asked for, as <c>Type/id</c>.</param>
internal sealed record ResourceFacts(string Type, string Id, string? Patient, DateTimeOffset? LastUpdated, UInt128 Hash, IReadOnlyList<string> References)
{
    private const int ReferencesMax = 1_000;

    /// <summary>Reads a normalized resource.</summary>
    /// <param name="resource">The resource.</param>
    /// <param name="hydrate">Paths of references, as <c>content.attachment.url</c>.</param>
    internal static ResourceFacts Read(ReadOnlySpan<byte> resource, IReadOnlyList<string> hydrate)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var (type, id) = ("", "");
        string? patient = null;
        DateTimeOffset? lastUpdated = null;
        var references = new List<string>();
        var reader = new Utf8JsonReader(resource);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            var text = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
            reader.Skip();
            var value = resource[start..(int)reader.BytesConsumed];
            switch (name)
            {
                case "resourceType":
                    type = text ?? "";
                    break;
                case "id":
                    id = text ?? "";
                    break;
                case "meta":
                    lastUpdated = AddMeta(hash, value);
                    continue;
                case "subject" or "patient" or "beneficiary":
                    patient ??= PatientIn(value);
                    break;
            }

            hash.AppendData(Encoding.UTF8.GetBytes(name));
            hash.AppendData(value);
            foreach (var path in hydrate)
            {
                var steps = path.Split('.');
                if (steps[0] == name && references.Count < ReferencesMax)
                {
                    using var element = JsonDocument.Parse(value.ToArray());
                    Collect(element.RootElement, steps.AsSpan(1), references);
                }
            }
        }

        return new ResourceFacts(
            type, id, type == "Patient" ? id : patient, lastUpdated, BinaryPrimitives.ReadUInt128LittleEndian(hash.GetHashAndReset()), references);
    }

    // A version, its time and its source say nothing of the content: some servers change them on every read.
    private static DateTimeOffset? AddMeta(IncrementalHash hash, ReadOnlySpan<byte> meta)
    {
        DateTimeOffset? lastUpdated = null;
        var reader = new Utf8JsonReader(meta);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            if (name == "lastUpdated" && reader.TokenType == JsonTokenType.String
                && DateTimeOffset.TryParse(reader.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at))
            {
                lastUpdated = at;
            }

            reader.Skip();
            if (name is not ("versionId" or "lastUpdated" or "source"))
            {
                hash.AppendData(Encoding.UTF8.GetBytes(name));
                hash.AppendData(meta[start..(int)reader.BytesConsumed]);
            }
        }

        return lastUpdated;
    }

    private static string? PatientIn(ReadOnlySpan<byte> reference)
    {
        var reader = new Utf8JsonReader(reference);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1 && reader.ValueTextEquals("reference"u8))
            {
                reader.Read();
                return reader.TokenType == JsonTokenType.String && reader.GetString() is { } text && text.StartsWith("Patient/", StringComparison.Ordinal)
                    ? text["Patient/".Length..].Split('/')[0]
                    : null;
            }
        }

        return null;
    }

    private static void Collect(JsonElement element, ReadOnlySpan<string> steps, List<string> references)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in element.EnumerateArray())
            {
                Collect(item, steps, references);
            }
        }
        else if (element.ValueKind == JsonValueKind.String && steps.IsEmpty)
        {
            Add(element.GetString()!, references);
        }
        else if (element.ValueKind == JsonValueKind.Object && element.TryGetProperty(steps.IsEmpty ? "reference" : steps[0], out var inner))
        {
            Collect(inner, steps.IsEmpty ? steps : steps[1..], references);
        }
    }

    // Only what is the EHR's own is followed: what is absolute still leads elsewhere, and a fragment is inside the resource.
    private static void Add(string reference, List<string> references)
    {
        if (reference.Split('/') is [{ Length: > 0 } type, { Length: > 0 and <= 64 } id, ..] && char.IsAsciiLetterUpper(type[0])
            && type.All(char.IsAsciiLetter) && references.Count < ReferencesMax)
        {
            references.Add($"{type}/{id}");
        }
    }
}

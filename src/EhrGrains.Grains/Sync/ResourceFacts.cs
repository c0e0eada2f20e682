using System.Buffers;
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

    /// <summary>The logical id of the patient that this one was merged into (R4 Patient.link, <c>replaced-by</c>); null: it was not.</summary>
    internal string? ReplacedBy { get; init; }

    /// <summary>Reads a normalized resource.</summary>
    /// <param name="resource">The resource.</param>
    /// <param name="hydrate">Paths of references, as <c>content.attachment.url</c>.</param>
    internal static ResourceFacts Read(ReadOnlySpan<byte> resource, IReadOnlyList<string> hydrate)
    {
        var (type, id) = ("", "");
        string? patient = null, replacedBy = null;
        DateTimeOffset? lastUpdated = null;
        List<string>? references = null;

        // Gathered and hashed at once: each call of the library costs more than the copy.
        var content = ArrayPool<byte>.Shared.Rent(resource.Length);
        var length = 0;
        var reader = new Utf8JsonReader(resource);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = Name(ref reader);
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            if (name.SequenceEqual("resourceType"u8))
            {
                type = Text(ref reader);
            }
            else if (name.SequenceEqual("id"u8))
            {
                id = Text(ref reader);
            }

            reader.Skip();
            var value = resource[start..(int)reader.BytesConsumed];
            if (name.SequenceEqual("meta"u8))
            {
                lastUpdated = AddMeta(content, ref length, value);
                continue;
            }

            if (name.SequenceEqual("subject"u8) || name.SequenceEqual("patient"u8) || name.SequenceEqual("beneficiary"u8))
            {
                patient ??= PatientIn(value);
            }

            if (name.SequenceEqual("link"u8))
            {
                replacedBy = ReplacedByIn(value);
            }

            Add(content, ref length, name, value);
            foreach (var path in hydrate)
            {
                if (IsUnder(path, name) && (references ??= []).Count < ReferencesMax)
                {
                    using var element = JsonDocument.Parse(value.ToArray());
                    Collect(element.RootElement, path.Split('.').AsSpan(1), references);
                }
            }
        }

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(content.AsSpan(0, length), hash);
        content.AsSpan(0, length).Clear();
        ArrayPool<byte>.Shared.Return(content);
        return new ResourceFacts(type, id, type == "Patient" ? id : patient, lastUpdated, BinaryPrimitives.ReadUInt128LittleEndian(hash), references ?? [])
        {
            ReplacedBy = type == "Patient" ? replacedBy : null,
        };
    }

    // A version, its time and its source say nothing of the content: some servers change them on every read.
    private static DateTimeOffset? AddMeta(byte[] content, ref int length, ReadOnlySpan<byte> meta)
    {
        DateTimeOffset? lastUpdated = null;
        var reader = new Utf8JsonReader(meta);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = Name(ref reader);
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            var isTime = name.SequenceEqual("lastUpdated"u8);
            if (isTime && reader.TokenType == JsonTokenType.String
                && DateTimeOffset.TryParse(reader.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at))
            {
                lastUpdated = at;
            }

            reader.Skip();
            if (!isTime && !name.SequenceEqual("versionId"u8) && !name.SequenceEqual("source"u8))
            {
                Add(content, ref length, name, meta[start..(int)reader.BytesConsumed]);
            }
        }

        return lastUpdated;
    }

    // Both are parts of the resource, so that there is room for them.
    private static void Add(byte[] content, ref int length, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        name.CopyTo(content.AsSpan(length));
        value.CopyTo(content.AsSpan(length + name.Length));
        length += name.Length + value.Length;
    }

    private static ReadOnlySpan<byte> Name(ref Utf8JsonReader reader) => reader.ValueIsEscaped ? Encoding.UTF8.GetBytes(reader.GetString()!) : reader.ValueSpan;

    private static string Text(ref Utf8JsonReader reader) => reader.TokenType == JsonTokenType.String ? reader.GetString()! : "";

    // The names of FHIR's elements are letters.
    private static bool IsUnder(string path, ReadOnlySpan<byte> name) =>
        path.Length >= name.Length && (path.Length == name.Length || path[name.Length] == '.') && Ascii.Equals(path.AsSpan(0, name.Length), name);

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

    private static string? ReplacedByIn(ReadOnlySpan<byte> links)
    {
        using var parsed = JsonDocument.Parse(links.ToArray());
        var targets = new List<string>();
        foreach (var link in parsed.RootElement.ValueKind == JsonValueKind.Array ? parsed.RootElement.EnumerateArray() : default)
        {
            if (link.ValueKind == JsonValueKind.Object && link.TryGetProperty("type"u8, out var type) && type.ValueEquals("replaced-by"u8)
                && link.TryGetProperty("other"u8, out var other))
            {
                Collect(other, default, targets);
            }
        }

        return targets.FirstOrDefault(static target => target.StartsWith("Patient/", StringComparison.Ordinal))?["Patient/".Length..];
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

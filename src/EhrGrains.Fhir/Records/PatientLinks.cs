using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace EhrGrains.Fhir.Records;

/// <summary>What a merge does to the Patient resources, and to references to them. Pure, thread-safe.</summary>
public static class PatientLinks
{
    /// <summary>A Patient that links another (FHIR R4 §8.1.3, Patient.link), and is active or not; null: it does and is already.</summary>
    /// <param name="content">The Patient.</param>
    /// <param name="other">The logical id of the other.</param>
    /// <param name="type"><c>replaced-by</c>, <c>replaces</c> or <c>seealso</c>.</param>
    /// <param name="active">What Patient.active is to be; null: as it is.</param>
    public static byte[]? Link(ReadOnlyMemory<byte> content, string other, string type, bool? active = null) => Edit(content, other, type, active);

    /// <summary>A Patient that no longer links another; null: it does not.</summary>
    public static byte[]? Unlink(ReadOnlyMemory<byte> content, string other, bool? active = null) => Edit(content, other, null, active);

    /// <summary>A resource whose references to one patient go to another.</summary>
    public static byte[] Redirect(ReadOnlyMemory<byte> content, string from, string to) => Redirect(content, "Patient", from, to);

    /// <summary>A resource whose references to one resource go to another of its type.</summary>
    public static byte[] Redirect(ReadOnlyMemory<byte> content, string type, string from, string to)
    {
        var sought = Encoding.UTF8.GetBytes($"\"{type}/{from}\"");
        var put = Encoding.UTF8.GetBytes($"\"{type}/{to}\"");
        var rest = content.Span;
        var buffer = new ArrayBufferWriter<byte>(content.Length + 64);
        for (var at = rest.IndexOf(sought); at >= 0; at = rest.IndexOf(sought))
        {
            buffer.Write(rest[..at]);
            buffer.Write(put);
            rest = rest[(at + sought.Length)..];
        }

        buffer.Write(rest);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>A resource under another logical id.</summary>
    public static byte[] Rename(ReadOnlyMemory<byte> content, string id)
    {
        var reader = new Utf8JsonReader(content.Span);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isId = reader.ValueTextEquals("id"u8);
            reader.Read();
            if (isId)
            {
                var (start, end) = ((int)reader.TokenStartIndex, (int)reader.BytesConsumed);
                return [.. content.Span[..start], .. Encoding.UTF8.GetBytes($"\"{id}\""), .. content.Span[end..]];
            }

            reader.Skip();
        }

        return content.ToArray();
    }

    /// <summary>Whether a resource refers to another.</summary>
    public static bool RefersTo(ReadOnlyMemory<byte> content, string type, string id) =>
        content.Span.IndexOf(Encoding.UTF8.GetBytes($"\"{type}/{id}\"")) >= 0;

    private static byte[]? Edit(ReadOnlyMemory<byte> content, string other, string? type, bool? active)
    {
        var patient = JsonNode.Parse(content.Span)!.AsObject();
        var before = patient.DeepClone();
        var reference = $"Patient/{other}";
        JsonNode?[] kept =
        [
            .. (patient["link"] as JsonArray ?? [])
                .Where(link => (string?)link?["other"]?["reference"] != reference)
                .Select(link => link?.DeepClone()),
        ];
        if (type is not null)
        {
            kept = [.. kept, new JsonObject { ["other"] = new JsonObject { ["reference"] = reference }, ["type"] = type }];
        }

        patient.Remove("link");
        if (kept.Length > 0)
        {
            patient["link"] = new JsonArray(kept);
        }

        if (active is { } value)
        {
            patient["active"] = value;
        }

        if (JsonNode.DeepEquals(before, patient))
        {
            return null;
        }

        return JsonText.Write(patient, content.Length + 128);
    }
}

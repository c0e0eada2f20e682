using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace EhrGrains.Fhir.Records;

/// <summary>Writes resources that were edited as nodes, with the characters of the mapping: only what JSON wants escaped is.</summary>
internal static class JsonText
{
    private static readonly JsonWriterOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static byte[] Write(JsonNode node, int lengthExpected)
    {
        var buffer = new ArrayBufferWriter<byte>(lengthExpected);
        using (var writer = new Utf8JsonWriter(buffer, Relaxed))
        {
            node.WriteTo(writer);
        }

        return buffer.WrittenSpan.ToArray();
    }
}

using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using EhrGrains.Fhir.V2.Compiling;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>What was made, as JSON.</summary>
internal sealed partial class MappingRun
{
    private const int BufferKeptMax = 1 << 20;

    // JSON in UTF-8 that nobody puts into HTML: only what JSON itself requires is escaped.
    private static readonly JsonWriterOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    private readonly ArrayBufferWriter<byte> buffer = new(1 << 14);
    private Utf8JsonWriter? writer;

    private (List<MappedResource> Resources, ReadOnlyMemory<byte> Envelope) WriteAll()
    {
        var written = new List<MappedResource>(resources.Count);
        ReadOnlyMemory<byte> envelope = default;
        foreach (var resource in resources)
        {
            if (!resource.Node.HasContent)
            {
                continue;
            }

            Complete(resource.Node, resource);
            var json = Write(resource);
            if (resource.Type == "Bundle")
            {
                envelope = json;
            }
            else
            {
                written.Add(new MappedResource(resource.Patient, resource.Type, resource.Id, json, DeletedOf(resource)));
            }
        }

        if (buffer.Capacity > BufferKeptMax)
        {
            writer = null;
        }

        return (written, envelope);
    }

    private static string[] DeletedOf(MadeResource resource) =>
        resource.Deleted is null ? [] : [.. resource.Deleted.Where(element => resource.Node.Find(element.Order) is null).Select(element => element.Name).Distinct()];

    /// <summary>What R4 requires and the message does not have is written as absent (extension data-absent-reason), and reported.</summary>
    private void Complete(Node node, MadeResource resource)
    {
        if (node.Text is null)
        {
            foreach (var element in node.Type.Mandatory)
            {
                if (node.Find(element.Order) is null)
                {
                    AddAbsent(node, element);
                    Report(
                        MappingExceptionKinds.RequiredMissing, Segment(resource.Position),
                        $"{PathOf(node)}.{element.Name} is required and the message does not have it: written as absent.");
                }
            }
        }

        for (var child = node.First; child is not null; child = child.Next)
        {
            if (child.IsWanted)
            {
                Complete(child, resource);
            }
        }
    }

    private void AddAbsent(Node parent, FhirElement element)
    {
        var absent = pool.Take(element, element.Type, parent, null, 0);
        parent.Insert(absent);
        absent.Keep();
        if (element.Type.Name.Contains('.', StringComparison.Ordinal))
        {
            return;
        }

        var extensions = element.Type["extension"];
        var extension = pool.Take(extensions, extensions.Type, absent, null, 0);
        absent.Insert(extension);
        extension.Keep();
        Set(extension, "url", "http://hl7.org/fhir/StructureDefinition/data-absent-reason", isConstant: true);
        Set(extension, "valueCode", "unknown", isConstant: true);
    }

    private byte[] Write(MadeResource resource)
    {
        buffer.ResetWrittenCount();
        writer ??= new Utf8JsonWriter(buffer, Json);
        writer.Reset(buffer);
        writer.WriteStartObject();
        writer.WriteString("resourceType"u8, resource.Type);
        writer.WriteString("id"u8, resource.Id);
        WriteChildren(resource.Node, writer);
        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteChildren(Node node, Utf8JsonWriter json)
    {
        for (var child = node.First; child is not null;)
        {
            if (!child.IsWanted)
            {
                child = child.Next;
                continue;
            }

            // The wanted items of one list stand together; of a single element the first counts.
            var after = child.Next;
            while (after is not null && after.Element!.Order == child.Element!.Order)
            {
                after = after.Next;
            }

            WriteElement(child, after, json);
            child = after;
        }
    }

    private static void WriteElement(Node first, Node? after, Utf8JsonWriter json)
    {
        var element = first.Element!;
        if (!element.Type.IsPrimitive)
        {
            json.WritePropertyName(element.JsonName);
            WriteItems(first, after, json, static (item, to) =>
            {
                to.WriteStartObject();
                WriteChildren(item, to);
                to.WriteEndObject();
            });
            return;
        }

        if (AnyItem(first, after, static item => item.Text is not null))
        {
            json.WritePropertyName(element.JsonName);
            WriteItems(first, after, json, static (item, to) => WriteText(item, to));
        }

        if (AnyItem(first, after, static item => item.HasWanted))
        {
            json.WritePropertyName(element.JsonShadowName);
            WriteItems(first, after, json, static (item, to) =>
            {
                if (!item.HasWanted)
                {
                    to.WriteNullValue();
                    return;
                }

                to.WriteStartObject();
                WriteChildren(item, to);
                to.WriteEndObject();
            });
        }
    }

    private static bool AnyItem(Node first, Node? after, Func<Node, bool> test)
    {
        for (var item = first; item != after; item = item!.Next)
        {
            if (item!.IsWanted && test(item))
            {
                return true;
            }
        }

        return false;
    }

    private static void WriteItems(Node first, Node? after, Utf8JsonWriter json, Action<Node, Utf8JsonWriter> write)
    {
        if (!first.Element!.IsList)
        {
            write(first, json);
            return;
        }

        json.WriteStartArray();
        for (var item = first; item != after; item = item!.Next)
        {
            if (item!.IsWanted)
            {
                write(item, json);
            }
        }

        json.WriteEndArray();
    }

    private static void WriteText(Node item, Utf8JsonWriter json)
    {
        switch (item.Text)
        {
            case null:
                json.WriteNullValue();
                break;
            case var text when item.Type.Name == "boolean":
                json.WriteBooleanValue(text == "true");
                break;
            case var text when item.Type.Name is "decimal" or "integer" or "positiveInt" or "unsignedInt":
                json.WriteRawValue(text, skipInputValidation: true);
                break;
            case var text:
                json.WriteStringValue(text);
                break;
        }
    }
}

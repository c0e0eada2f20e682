using System.Collections.Concurrent;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace EhrGrains.Sandbox.Faults;

/// <summary>Makes of a body what a fault wants it to be.</summary>
internal static class Spoiling
{
    private const int Depth = 100_000;

    private static readonly ConcurrentDictionary<long, byte[]> Bombs = new();

    /// <summary>The body as it is sent; the same one when no fault is about it.</summary>
    public static byte[] Spoil(byte[] body, FaultSet faults)
    {
        foreach (var fault in faults.All)
        {
            body = fault.Kind switch
            {
                FaultKind.TruncatedBody => body[..(body.Length / 2)],
                FaultKind.InvalidJson => [.. "{\"resourceType\":,"u8, .. body],
                FaultKind.GzipBomb => Bombs.GetOrAdd(fault.Bytes, Pack),
                FaultKind.WrongCharset => [.. Encoding.Latin1.GetBytes("{\"note\":\"caf\u00e9\","), .. body.AsSpan(1)],
                FaultKind.ByteOrderMark => [0xEF, 0xBB, 0xBF, .. body],
                FaultKind.DuplicateKeys =>
                    [.. "{\"resourceType\":\"Basic\",\"id\":\"other\",\"access_token\":\"other\",\"expires_in\":-1,"u8, .. body.AsSpan(1)],
                FaultKind.DeepJson => [.. "{\"extension\":"u8, .. Enumerable.Repeat((byte)'[', Depth), .. Enumerable.Repeat((byte)']', Depth), .. ","u8, .. body.AsSpan(1)],
                FaultKind.WrongType => "{\"resourceType\":\"Basic\",\"id\":\"1\",\"code\":{\"text\":\"something else\"}}"u8.ToArray(),
                FaultKind.OlderVersion => Older(body),
                _ => body,
            };
        }

        return body;
    }

    private static byte[] Pack(long bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
        {
            gzip.Write("{\"resourceType\":\"Bundle\",\"type\":\"searchset\""u8);
            var spaces = new byte[65_536];
            spaces.AsSpan().Fill((byte)' ');
            for (var left = bytes; left > 0; left -= spaces.Length)
            {
                gzip.Write(spaces.AsSpan(0, (int)Math.Min(left, spaces.Length)));
            }

            gzip.Write("}"u8);
        }

        return packed.ToArray();
    }

    private static byte[] Older(byte[] body)
    {
        var root = JsonNode.Parse(body)!.AsObject();
        foreach (var resource in (root["entry"] as JsonArray)?.Select(entry => entry!["resource"]!.AsObject()) ?? [root])
        {
            resource["meta"] = new JsonObject { ["versionId"] = "0", ["lastUpdated"] = "1999-12-31T23:59:59Z" };
        }

        return JsonSerializer.SerializeToUtf8Bytes(root);
    }
}

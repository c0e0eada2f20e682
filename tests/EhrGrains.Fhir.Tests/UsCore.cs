using System.Formats.Tar;
using System.IO.Compression;
using EhrGrains.Testing;

namespace EhrGrains.Fhir.Tests;

/// <summary>The published package of US Core 6.1.0.</summary>
internal static class UsCore
{
    /// <summary>Its JSON files whose name starts so; skips the test where the package is absent.</summary>
    internal static IEnumerable<(string Name, byte[] Json)> Files(string prefix)
    {
        using var file = File.OpenRead(SharedData.Require("fhir/hl7.fhir.us.core-6.1.0.tgz"));
        using var tar = new TarReader(new GZipStream(file, CompressionMode.Decompress));
        while (tar.GetNextEntry() is { } entry)
        {
            if (entry.Name.StartsWith(prefix, StringComparison.Ordinal) && entry.Name.EndsWith(".json", StringComparison.Ordinal)
                && !entry.Name.EndsWith(".index.json", StringComparison.Ordinal) && entry.DataStream is { } data)
            {
                using var json = new MemoryStream();
                data.CopyTo(json);
                yield return (entry.Name, json.ToArray());
            }
        }
    }
}

using System.Globalization;
using System.Text.Json;
using EhrGrains.Connect.Egress;

namespace EhrGrains.Connect.Bulk;

/// <summary>What a file of an export holds. The numbers are part of what is stored.</summary>
public enum BulkFileKind
{
    /// <summary>Resources of one type.</summary>
    Output = 0,

    /// <summary>Transaction Bundles whose entries are DELETEs.</summary>
    Deleted = 1,

    /// <summary>OperationOutcomes: what could not be exported, or only something to know.</summary>
    Error = 2,
}

/// <summary>One file of an export. Prints without its URL, which may be a key to it.</summary>
/// <param name="Kind">What it holds.</param>
/// <param name="Type">The resource type of its lines; null: the manifest does not say.</param>
/// <param name="Url">Where it is.</param>
/// <param name="Count">How many lines the EHR says it has.</param>
public sealed record BulkFile(BulkFileKind Kind, string? Type, string Url, long? Count)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Kind} {Type}";
}

/// <summary>The manifest of a finished export (Bulk Data Access 2.0.0, export "Response - Complete Status").</summary>
public sealed record BulkManifest
{
    /// <summary>The most files of an export.</summary>
    public const int FilesMax = 100_000;

    private const int UrlLengthMax = 8 * 1024;

    /// <summary>What the EHR knew then is in the files; null: it does not say.</summary>
    public DateTimeOffset? TransactionTime { get; init; }

    /// <summary>Whether the files want our token. It goes to the EHR's own origin alone, whatever this says (I7).</summary>
    public bool RequiresAccessToken { get; init; }

    /// <summary>The files.</summary>
    public required IReadOnlyList<BulkFile> Files { get; init; }

    /// <summary>Reads a manifest. Null: it is none. Tolerant of what later and earlier releases write otherwise.</summary>
    /// <param name="body">The body.</param>
    /// <param name="statusUrl">Where it came from: URLs may be relative to it in the wild.</param>
    internal static BulkManifest? Read(ReadOnlyMemory<byte> body, string statusUrl)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
            {
                return null;
            }

            var files = new List<BulkFile>();
            var whole = Add(files, root, "output"u8, BulkFileKind.Output, statusUrl)
                && Add(files, root, "deleted"u8, BulkFileKind.Deleted, statusUrl)
                && Add(files, root, "error"u8, BulkFileKind.Error, statusUrl)
                && Add(files, root, "outcome"u8, BulkFileKind.Error, statusUrl); // 4.0.0-ballot's name of error
            return whole && root.TryGetProperty("output"u8, out _)
                ? new BulkManifest
                {
                    TransactionTime = Text(root, "transactionTime"u8) is { } text
                        && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
                            ? at.ToUniversalTime()
                            : null,
                    RequiresAccessToken = !root.TryGetProperty("requiresAccessToken"u8, out var required) || required.ValueKind != JsonValueKind.False,
                    Files = files,
                }
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // False: a file is not one that could be fetched, and without it the export is not whole.
    private static bool Add(List<BulkFile> files, JsonElement root, ReadOnlySpan<byte> name, BulkFileKind kind, string statusUrl)
    {
        if (!root.TryGetProperty(name, out var items) || items.ValueKind == JsonValueKind.Null)
        {
            return true;
        }

        if (items.ValueKind != JsonValueKind.Array || files.Count + items.GetArrayLength() > FilesMax)
        {
            return false;
        }

        foreach (var item in items.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Object
                || Text(item, "url"u8) is not { Length: <= UrlLengthMax } url
                || !Uri.TryCreate(new Uri(statusUrl), url, out var absolute)
                || !Origin.TryParse(absolute.AbsoluteUri, out _))
            {
                return false;
            }

            var count = item.TryGetProperty("count"u8, out var said) && said.ValueKind == JsonValueKind.Number && said.TryGetInt64(out var lines)
                ? lines
                : (long?)null;
            files.Add(new BulkFile(kind, Text(item, "type"u8), absolute.AbsoluteUri, count));
        }

        return true;
    }

    private static string? Text(JsonElement of, ReadOnlySpan<byte> name) =>
        of.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

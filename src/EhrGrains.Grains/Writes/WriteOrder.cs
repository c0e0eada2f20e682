using EhrGrains.Contracts;
using EhrGrains.Contracts.Query;
using EhrGrains.Contracts.Writes;
using EhrGrains.Storage.Writes;
using Orleans.Serialization;

namespace EhrGrains.Grains.Writes;

/// <summary>What is to be sent, as the EHR is to have it; stored sealed. Prints without its content.</summary>
[GenerateSerializer, Immutable, Alias("ehr.state.WriteOrder")]
internal sealed record WriteOrder
{
    /// <summary>The resource type.</summary>
    [Id(0)]
    public required string Type { get; init; }

    /// <summary>The patient that it is about, by the id that the gateway gives; null: none.</summary>
    [Id(1)]
    public string? Patient { get; init; }

    /// <summary>For an update: the EHR's own id of the resource.</summary>
    [Id(2)]
    public string? EhrId { get; init; }

    /// <summary>For an update: the version that it changes, or <c>*</c>.</summary>
    [Id(3)]
    public string? IfMatch { get; init; }

    /// <summary>The resource, with the EHR's own ids and our mark.</summary>
    [Id(4)]
    public required byte[] Body { get; init; }

    /// <summary>The search that finds it again.</summary>
    [Id(5)]
    public SearchParameter[] FoundBy { get; init; } = [];

    public override string ToString() => $"WriteOrder {Type}";
}

/// <summary>What came of a write so far; stored sealed.</summary>
[GenerateSerializer, Immutable, Alias("ehr.state.WriteResult")]
internal sealed record WriteResult
{
    /// <summary>The EHR's own id of what was written.</summary>
    [Id(0)]
    public string? EhrId { get; init; }

    /// <summary>The same as the gateway gives it.</summary>
    [Id(1)]
    public string? Id { get; init; }

    /// <summary>The version that was read back.</summary>
    [Id(2)]
    public string? ETag { get; init; }

    /// <summary>The HTTP status that it was refused with.</summary>
    [Id(3)]
    public int? Status { get; init; }

    /// <summary>What is wrong.</summary>
    [Id(4)]
    public Problem[] Problems { get; init; } = [];

    /// <summary>The elements that are otherwise at the EHR.</summary>
    [Id(5)]
    public string[] Differences { get; init; } = [];

    /// <summary>How often what was written could not be read back, or looked for.</summary>
    [Id(6)]
    public int Looks { get; init; }

    public override string ToString() => $"WriteResult {Status}";
}

/// <summary>Makes the bytes of orders and results, and receipts of them.</summary>
internal sealed class WriteForms(Serializer serializer)
{
    internal byte[] Write(WriteOrder order) => serializer.SerializeToArray(order);

    internal byte[] Write(WriteResult result) => serializer.SerializeToArray(result);

    internal WriteOrder OrderOf(StoredWrite write) => serializer.Deserialize<WriteOrder>(write.Request)!;

    internal WriteResult ResultOf(StoredWrite write) => write.Receipt is { } bytes ? serializer.Deserialize<WriteResult>(bytes)! : new WriteResult();

    internal WriteReceipt ReceiptOf(StoredWrite write, bool isRepeat = false)
    {
        var result = ResultOf(write);
        return new WriteReceipt
        {
            Number = write.Number,
            State = write.State,
            App = write.App,
            Type = write.Type,
            IsUpdate = write.IsUpdate,
            AcceptedAt = write.At,
            SettledAt = write.SettledAt,
            Tries = write.Tries,
            Id = result.Id,
            ETag = result.ETag,
            Status = result.Status,
            Problems = result.Problems,
            Differences = result.Differences,
            DueAt = write.DueAt,
            IsRepeat = isRepeat,
        };
    }
}

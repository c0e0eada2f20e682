using System.Collections.Immutable;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Populations;

namespace EhrGrains.Grains.Populations;

/// <summary>What is stored of a cohort beside its patients and files. Sealed as all grain state is.</summary>
[GenerateSerializer, Immutable, Alias("ehr.state.Cohort")]
internal sealed record CohortData
{
    /// <summary>What it is; null: there is no such cohort.</summary>
    [Id(0)]
    public CohortSpec? Spec { get; init; }

    /// <summary>Counts the activations that have read files.</summary>
    [Id(1)]
    public long Epoch { get; init; }

    /// <summary>When the Group was looked at last.</summary>
    [Id(2)]
    public DateTimeOffset? RefreshedAt { get; init; }

    /// <summary>When it is looked at next; null: now.</summary>
    [Id(3)]
    public DateTimeOffset? RefreshAt { get; init; }

    /// <summary>Why the last look failed.</summary>
    [Id(4)]
    public Problem? Problem { get; init; }

    /// <summary>The last bulk export.</summary>
    [Id(5)]
    public BulkJob? Job { get; init; }

    /// <summary>The transactionTime of the last export that was complete, by what it asked for.</summary>
    [Id(6)]
    public ImmutableDictionary<string, DateTimeOffset> Exported { get; init; } = ImmutableDictionary<string, DateTimeOffset>.Empty;

    /// <summary>When all of the Group was known last, by reading it or by an export.</summary>
    [Id(7)]
    public DateTimeOffset? GroupKnownAt { get; init; }

    /// <inheritdoc/>
    public override string ToString() => nameof(CohortData);
}

/// <summary>A bulk export and where it is.</summary>
[GenerateSerializer, Immutable, Alias("ehr.state.BulkJob")]
internal sealed record BulkJob
{
    /// <summary>Counts the cohort's exports from 1.</summary>
    [Id(0)]
    public required int Number { get; init; }

    /// <summary>What the operator asked for.</summary>
    [Id(1)]
    public required BulkRequest Request { get; init; }

    /// <summary>Where it is.</summary>
    [Id(2)]
    public required BulkState State { get; init; }

    /// <summary>When it was asked for.</summary>
    [Id(3)]
    public required DateTimeOffset RequestedAt { get; init; }

    /// <summary>The types that are asked of the EHR; fewer when files expired and only theirs are asked for again.</summary>
    [Id(4)]
    public required ImmutableArray<string> Types { get; init; }

    /// <summary>What changed since then is asked for; null: everything.</summary>
    [Id(5)]
    public DateTimeOffset? Since { get; init; }

    /// <summary>Where the EHR is asked how it stands.</summary>
    [Id(6)]
    public string? StatusUrl { get; init; }

    /// <summary>When it is asked next.</summary>
    [Id(7)]
    public DateTimeOffset NextAskAt { get; init; }

    /// <summary>How far it says it is.</summary>
    [Id(8)]
    public int? Percent { get; init; }

    /// <summary>The EHR's transaction time; of several manifests the earliest.</summary>
    [Id(9)]
    public DateTimeOffset? TransactionTime { get; init; }

    /// <summary>What the manifest says.</summary>
    [Id(10)]
    public bool RequiresAccessToken { get; init; }

    /// <summary>When it ended.</summary>
    [Id(11)]
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>What is wrong, or delays it.</summary>
    [Id(12)]
    public Problem? Problem { get; init; }

    /// <summary>Failures one after the other, without any progress between them.</summary>
    [Id(13)]
    public int Failures { get; init; }

    /// <summary>How often it was asked for again because files had expired.</summary>
    [Id(14)]
    public int Renewals { get; init; }

    internal bool IsUnderWay => State is BulkState.Requested or BulkState.Preparing or BulkState.Reading;

    /// <inheritdoc/>
    public override string ToString() => $"bulk job {Number} {State}";
}

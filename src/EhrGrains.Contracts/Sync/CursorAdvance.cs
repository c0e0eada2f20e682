using EhrGrains.Contracts.Records;

namespace EhrGrains.Contracts.Sync;

/// <summary>How far the copy of a patient has got, to be committed with what was copied.</summary>
/// <param name="Patient">The EHR's Patient, whose cursors they are.</param>
/// <param name="Rows">The cursors, one a type.</param>
[GenerateSerializer, Immutable, Alias("ehr.CursorAdvance")]
public sealed record CursorAdvance([property: Id(0)] PatientId Patient, [property: Id(1)] CursorRow[] Rows)
{
    /// <inheritdoc/>
    public override string ToString() => $"CursorAdvance {Patient}: {Rows.Length}";
}

/// <summary>One cursor as it is to be. What could tell something about the patient is sealed.</summary>
[GenerateSerializer, Immutable, Alias("ehr.CursorRow")]
public sealed record CursorRow
{
    /// <summary>How it stands.</summary>
    [Id(0)]
    public required SyncTypeStatus Status { get; init; }

    /// <summary>The version after the one that was read; if another was in between, nothing is committed (I3).</summary>
    [Id(1)]
    public required long Version { get; init; }

    /// <summary>Where the run has got to, sealed; null: no run is under way.</summary>
    [Id(2)]
    public byte[]? Position { get; init; }

    /// <summary>Ids and content hashes of what is known, sealed; null: as they were.</summary>
    [Id(3)]
    public byte[]? Known { get; init; }

    /// <summary>What these pages add to what the run has seen, sealed; null: nothing.</summary>
    [Id(4)]
    public byte[]? Seen { get; init; }

    /// <summary>Whether what the run has seen before is to be forgotten, because it is over or begins anew.</summary>
    [Id(5)]
    public bool ForgetSeen { get; init; }
}

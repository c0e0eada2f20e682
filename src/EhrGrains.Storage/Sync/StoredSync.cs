using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;

namespace EhrGrains.Storage.Sync;

/// <summary>A patient whose copy is kept.</summary>
public sealed record SyncPatient
{
    /// <summary>The EHR's Patient.</summary>
    public required PatientId Patient { get; init; }

    /// <summary>The record that the copy is in; null: that is not known yet.</summary>
    public PatientId? Record { get; init; }

    /// <summary>When it is due.</summary>
    public required DateTimeOffset DueAt { get; init; }

    /// <summary>Types that something happened to, each followed by a comma; <c>*</c> for all; empty: none.</summary>
    public string Hinted { get; init; } = "";

    /// <summary>Whether everything is to be read, not changes alone.</summary>
    public bool IsWhole { get; init; }

    /// <summary>How the copy stands.</summary>
    public SyncState State { get; init; }

    /// <summary>Runs that failed, one after the other.</summary>
    public int Failures { get; init; }

    /// <summary>When the copy was complete last.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>When the run began that goes on at the next time; null: the last one is over.</summary>
    public DateTimeOffset? RunAt { get; init; }

    /// <summary>Why the last run did not come to its end.</summary>
    public Problem? Problem { get; init; }
}

/// <summary>A cursor as it is stored.</summary>
/// <param name="Status">How it stands.</param>
/// <param name="Version">Counts its commits.</param>
/// <param name="Position">Where its run has got to, sealed; null: none is under way.</param>
/// <param name="Known">What is known, sealed; null: nothing.</param>
/// <param name="Seen">What the run has seen, sealed, a part a commit.</param>
public sealed record StoredCursor(SyncTypeStatus Status, long Version, byte[]? Position, byte[]? Known, IReadOnlyList<byte[]> Seen);

/// <summary>A patient with its cursors.</summary>
public sealed record StoredSync(SyncPatient Patient, IReadOnlyList<StoredCursor> Cursors);

/// <summary>Another run has advanced a cursor since it was read; nothing of the commit was written.</summary>
public sealed class CursorFencedException() : Exception("Another run has advanced the cursor since.");

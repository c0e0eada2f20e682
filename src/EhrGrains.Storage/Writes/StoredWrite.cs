using EhrGrains.Contracts.Apps;
using EhrGrains.Contracts.Writes;

namespace EhrGrains.Storage.Writes;

/// <summary>A write to be put into the outbox. Prints without its content.</summary>
public sealed record NewWrite
{
    /// <summary>What makes it the same write when it is given twice.</summary>
    public required WriteKey Key { get; init; }

    /// <summary>Who asks for it.</summary>
    public required AppId App { get; init; }

    /// <summary>Whether it updates.</summary>
    public required bool IsUpdate { get; init; }

    /// <summary>The resource type.</summary>
    public required string Type { get; init; }

    /// <summary>When it was accepted.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Its row on the audit trail.</summary>
    public required long Intent { get; init; }

    /// <summary>What is to be sent; stored sealed.</summary>
    public required byte[] Request { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"NewWrite {Type}";
}

/// <summary>Keyed hashes by which a write is known: of the app's key, of the content, and of whose writes it goes among in order.</summary>
public sealed record WriteKey(byte[] Key, byte[] Digest, byte[] Lane)
{
    /// <summary>What the resource is marked with at the EHR, to be found again.</summary>
    public string Stamp => Convert.ToHexStringLower(Key);
}

/// <summary>A write as it is stored. Prints without its content.</summary>
public sealed record StoredWrite
{
    /// <summary>Its number.</summary>
    public required long Number { get; init; }

    /// <summary>What it is known by.</summary>
    public required WriteKey Key { get; init; }

    /// <summary>Who asked for it.</summary>
    public required AppId App { get; init; }

    /// <summary>Whether it updates.</summary>
    public required bool IsUpdate { get; init; }

    /// <summary>The resource type.</summary>
    public required string Type { get; init; }

    /// <summary>How it stands.</summary>
    public required WriteState State { get; init; }

    /// <summary>How often it was tried.</summary>
    public required int Tries { get; init; }

    /// <summary>When it was accepted.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>When the sender goes on with it; null: settled.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>When it may have been sent last.</summary>
    public DateTimeOffset? SendingAt { get; init; }

    /// <summary>When it was settled.</summary>
    public DateTimeOffset? SettledAt { get; init; }

    /// <summary>Its row on the audit trail.</summary>
    public required long Intent { get; init; }

    /// <summary>What is to be sent.</summary>
    public required byte[] Request { get; init; }

    /// <summary>What came of it so far; null: nothing.</summary>
    public byte[]? Receipt { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"StoredWrite {Number} {State}";
}

/// <summary>A step of a write, to be committed.</summary>
/// <param name="Write">The write, as it was before.</param>
/// <param name="State">How it stands from now on.</param>
/// <param name="DueAt">When the sender goes on with it; null: settled.</param>
/// <param name="At">Now.</param>
/// <param name="Problem">The code of what is wrong.</param>
/// <param name="Receipt">What came of it; stored sealed.</param>
public sealed record WriteStep(StoredWrite Write, WriteState State, DateTimeOffset? DueAt, DateTimeOffset At, string? Problem, byte[]? Receipt)
{
    /// <summary>Whether it may be sent from now on.</summary>
    public bool Sends { get; init; }
}

/// <summary>What became of a step.</summary>
public enum StepOutcome
{
    /// <summary>It is on disk.</summary>
    Done,

    /// <summary>The write is no longer as it was: someone has cancelled it.</summary>
    Moved,

    /// <summary>Another activation has taken the epoch.</summary>
    Fenced,
}

namespace EhrGrains.Hl7v2.Messages;

/// <summary>How a message is read, and what bounds it.</summary>
public sealed record Hl7ReadOptions
{
    /// <summary>Tolerant: every leniency of <see cref="Hl7WarningCode"/> is taken and reported as a warning.</summary>
    public static Hl7ReadOptions Tolerant { get; } = new();

    /// <summary>Strict: what tolerant mode would warn of is a fault. <see cref="Tables.Hl7Conformance"/> compares with the standard's tables beside.</summary>
    public static Hl7ReadOptions Strict { get; } = new() { IsStrict = true };

    /// <summary>Whether leniencies are faults. Default false.</summary>
    public bool IsStrict { get; init; }

    /// <summary>The largest message in bytes. Default 64 MiB: documents travel as base64 in OBX-5.</summary>
    public int BytesMax { get; init; } = 64 * 1024 * 1024;

    /// <summary>Segments in a message. Default 100,000: laboratories send a segment a result.</summary>
    public int SegmentsMax { get; init; } = 100_000;

    /// <summary>Fields in a segment. Default 2,000: senders pad with separators by the hundred.</summary>
    public int FieldsMax { get; init; } = 2_000;

    /// <summary>Warnings kept; further ones are counted only. Default 1,000.</summary>
    public int WarningsMax { get; init; } = 1_000;
}

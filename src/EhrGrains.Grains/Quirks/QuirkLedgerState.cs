using EhrGrains.Contracts.Quirks;

namespace EhrGrains.Grains.Quirks;

/// <summary>What is stored of a site's quirks.</summary>
[GenerateSerializer, Immutable, Alias("ehr.state.Quirks")]
internal sealed record QuirkLedgerState
{
    [Id(0)]
    public QuirkLedger Ledger { get; init; } = new();

    /// <summary>The vendor that it was compared with: another one's quirks are none of this one's.</summary>
    [Id(1)]
    public string? Vendor { get; init; }
}

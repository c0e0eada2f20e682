namespace EhrGrains.Contracts.DataContracts;

/// <summary>What a vendor's EHR, or one site, makes of a data contract.</summary>
[GenerateSerializer, Immutable, Alias("ehr.ContractCheck")]
public sealed record ContractCheck
{
    /// <summary>The contract's name.</summary>
    [Id(0)]
    public required string Contract { get; init; }

    /// <summary>The vendor profile.</summary>
    [Id(1)]
    public required string Vendor { get; init; }

    /// <summary>The tenant; null: the vendor's profile alone.</summary>
    [Id(2)]
    public string? Tenant { get; init; }

    /// <summary>The SMART scopes to request, written as the vendor writes them.</summary>
    [Id(3)]
    public required string[] Scopes { get; init; }

    /// <summary>The scopes that the site granted; null: it was not asked, or gave no token.</summary>
    [Id(4)]
    public string[]? Granted { get; init; }

    /// <summary>How each search is answered there.</summary>
    [Id(5)]
    public required ContractQuery[] Queries { get; init; }

    /// <summary>What stands against it, the worst first.</summary>
    [Id(6)]
    public required ContractFinding[] Findings { get; init; }

    /// <summary>Whether nothing that the app must have is known to be missing.</summary>
    public bool IsMet => !Findings.Any(finding => finding.IsUnmet);
}

/// <summary>How a search is answered.</summary>
[GenerateSerializer, Alias("ehr.QueryWay")]
public enum QueryWay
{
    /// <summary>The EHR takes it, in one request.</summary>
    Ehr = 0,

    /// <summary>The EHR takes it in several requests, which together find the same.</summary>
    EhrInParts = 1,

    /// <summary>The EHR does not take it; the copy of the patient answers it.</summary>
    Copy = 2,

    /// <summary>Not at all.</summary>
    None = 3,
}

/// <summary>One search of a contract, and what becomes of it.</summary>
[GenerateSerializer, Immutable, Alias("ehr.ContractQuery")]
public sealed record ContractQuery
{
    /// <summary>The feature that needs it.</summary>
    [Id(0)]
    public required string Feature { get; init; }

    /// <summary>The search, as the contract writes it.</summary>
    [Id(1)]
    public required string Search { get; init; }

    /// <summary>How it is answered.</summary>
    [Id(2)]
    public required QueryWay Way { get; init; }

    /// <summary>What the EHR is asked, by the app or for the copy; values of the app's choice in braces.</summary>
    [Id(3)]
    public required string[] Requests { get; init; }

    /// <summary>Why the EHR does not take it as it is; null: it does.</summary>
    [Id(4)]
    public string? Why { get; init; }
}

/// <summary>Something that stands against a contract.</summary>
/// <param name="Code">Stable code, <c>EHR-DCT-…</c>.</param>
/// <param name="IsUnmet">True: the app must have it, and it is missing. False: it may be missing, or the app can do without.</param>
/// <param name="Feature">The feature concerned; empty: all.</param>
/// <param name="Subject">What it is about: a type, a search, a scope.</param>
/// <param name="Message">What it is and what to do, as a sentence.</param>
[GenerateSerializer, Immutable, Alias("ehr.ContractFinding")]
public sealed record ContractFinding(
    [property: Id(0)] string Code, [property: Id(1)] bool IsUnmet, [property: Id(2)] string Feature, [property: Id(3)] string Subject,
    [property: Id(4)] string Message);

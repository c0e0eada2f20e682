namespace EhrGrains.Sandbox.Bulk;

/// <summary>What can be exported as a whole.</summary>
[Flags]
internal enum ExportLevels
{
    None = 0,
    Group = 1,
    Patient = 2,
    System = 4,

    /// <summary>Patients that are listed in a <c>POST Patient/$export</c>.</summary>
    PatientList = 8,
}

/// <summary>What a product does of FHIR Bulk Data Access 2.0.0, and how.</summary>
internal sealed record BulkRules
{
    /// <summary>A product without bulk export.</summary>
    public static readonly BulkRules None = new() { Levels = ExportLevels.None };

    public required ExportLevels Levels { get; init; }

    /// <summary>Whether <c>_since</c> is understood, and with it what was deleted is told.</summary>
    public bool Since { get; init; }

    public bool TypeFilter { get; init; }

    /// <summary>Resources in one file at most.</summary>
    public int FileResourcesMax { get; init; } = 500;

    /// <summary>How long files are kept.</summary>
    public TimeSpan KeptFor { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How long after an export of a group the next one of it is allowed.</summary>
    public TimeSpan Every { get; init; }

    /// <summary>Whether a second export is refused while one is being prepared.</summary>
    public bool OneAtATime { get; init; }

    /// <summary>Whether files need the token.</summary>
    public bool RequiresAccessToken { get; init; } = true;

    /// <summary>Whether a file's address leads on to an object storage elsewhere, which is opened by its URL alone.</summary>
    public bool ObjectStorage { get; init; }

    /// <summary>Types that are never exported.</summary>
    public IReadOnlyList<string> Without { get; init; } = ["Binary", "Group"];

    /// <summary>Types that are exported only when they are asked for by name.</summary>
    public IReadOnlyList<string> OnlyByName { get; init; } = [];

    /// <summary>A type of which a part is not licensed to us: there is an error file that says so, whatever was asked.</summary>
    public string? PartlyLicensed { get; init; }
}

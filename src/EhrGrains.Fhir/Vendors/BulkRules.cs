namespace EhrGrains.Fhir.Vendors;

/// <summary>What a bulk export can be asked of.</summary>
public enum BulkLevel
{
    /// <summary><c>Group/{id}/$export</c>.</summary>
    Group,

    /// <summary><c>Patient/$export</c>.</summary>
    Patient,

    /// <summary><c>$export</c> of the whole server.</summary>
    System,
}

/// <summary>A vendor's bulk export (FHIR Bulk Data Access 2.0.0).</summary>
public sealed record BulkRules
{
    /// <summary>What an export can be asked of; empty: there is none.</summary>
    public IReadOnlyList<BulkLevel> Levels { get; init; } = [];

    /// <summary>Whether <c>_since</c> is understood.</summary>
    public bool Since { get; init; }

    /// <summary>Whether <c>_type</c> is understood; it is one comma-separated list.</summary>
    public bool Type { get; init; } = true;

    /// <summary>Whether <c>_typeFilter</c> is understood.</summary>
    public bool TypeFilter { get; init; }

    /// <summary>The <c>_outputFormat</c> to send; null: none is sent.</summary>
    public string? OutputFormat { get; init; }

    /// <summary>Whether <c>Patient/$export</c> is a POST that lists the patients (a Parameters resource) and has no GET for all of them.</summary>
    public bool PatientList { get; init; }

    /// <summary>The search that finds the groups that may be exported, beside their ids; empty: a group's id has to be known.</summary>
    public IReadOnlyDictionary<string, string> GroupSearch { get; init; } = new Dictionary<string, string>();

    /// <summary>Resource types that an export never holds, for example Binary.</summary>
    public IReadOnlyList<string> NotExported { get; init; } = [];

    /// <summary>Resource types that come only when <c>_type</c> names them.</summary>
    public IReadOnlyList<string> OnlyWhenNamed { get; init; } = [];

    /// <summary>Seconds between two looks at the status when the EHR names none with <c>Retry-After</c>. 1–86,400.</summary>
    public int PollSeconds { get; init; } = 60;

    /// <summary>Hours between two exports of the same group; 0: no limit.</summary>
    public int HoursBetween { get; init; }

    /// <summary>Exports that may run at one time for a client; 0: no limit known.</summary>
    public int RunningMax { get; init; }

    /// <summary>Patients of a group up to which the vendor recommends an export; 0: nothing recommended.</summary>
    public int PatientsMax { get; init; }

    /// <summary>Days that the output is kept; 0: not known.</summary>
    public int KeptDays { get; init; }

    /// <summary>Whether a finished export is to be deleted (<c>DELETE</c> of the status URL).</summary>
    public bool DeleteWhenDone { get; init; } = true;

    /// <summary>Whether an output's URL redirects to another host's signed URL, which gets no token.</summary>
    public bool OutputRedirects { get; init; }
}

/// <summary>What a vendor lets an app write over FHIR, by resource type.</summary>
public sealed record WriteRules
{
    /// <summary>Types that can be created.</summary>
    public IReadOnlyList<string> Create { get; init; } = [];

    /// <summary>Types that can be updated (<c>PUT</c>, which replaces the whole).</summary>
    public IReadOnlyList<string> Update { get; init; } = [];

    /// <summary>Types that can be patched (JSON Patch).</summary>
    public IReadOnlyList<string> Patch { get; init; } = [];

    /// <summary>Types that can be deleted.</summary>
    public IReadOnlyList<string> Delete { get; init; } = [];

    /// <summary>Whether an update has to name the version it changes (<c>If-Match</c>).</summary>
    public bool IfMatch { get; init; }

    /// <summary>Whether the vendor's sources contradict each other about writing: only a try at the site can tell.</summary>
    public bool Disputed { get; init; }

    /// <summary>Elements that a resource to be written needs beyond R4, by type: names with dots, as <c>code.coding</c>.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Required { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>The category codes of which a resource to be written needs one, by type.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Categories { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>Elements that the EHR refuses wherever they stand.</summary>
    public IReadOnlyList<string> Rejected { get; init; } = [];

    /// <summary>The search parameters by which what was created is found again, by type, beside the patient; absent: the patient alone.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> FoundBy { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>
    /// Whether the EHR keeps a resource's identifiers. Then one that a search does not show with ours is not there, and may be sent again
    /// after its outcome was lost; otherwise only a person can tell.
    /// </summary>
    public bool KeepsIdentifiers { get; init; }

    /// <summary>Whether it knows <c>If-None-Exist</c> (R4 http.html#ccreate): what may have arrived can be sent again without harm.</summary>
    public bool ConditionalCreate { get; init; }
}

/// <summary>What a vendor publishes about how much may be asked of it; a site's contract may say otherwise.</summary>
public sealed record LimitRules
{
    /// <summary>Requests in a window of <see cref="WindowSeconds"/>; 0: no number is published.</summary>
    public int Requests { get; init; }

    /// <summary>The window of <see cref="Requests"/>, in seconds.</summary>
    public int WindowSeconds { get; init; } = 60;

    /// <summary>Requests a day; 0: no number is published.</summary>
    public int DailyQuota { get; init; }

    /// <summary>Token requests a minute; 0: no number is published.</summary>
    public int TokensPerMinute { get; init; }

    /// <summary>What is published beside or in place of numbers, in a sentence; empty: nothing.</summary>
    public string Guideline { get; init; } = "";
}

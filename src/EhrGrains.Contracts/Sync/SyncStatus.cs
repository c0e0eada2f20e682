using EhrGrains.Contracts.Records;

namespace EhrGrains.Contracts.Sync;

/// <summary>How the copy of one patient stands.</summary>
[GenerateSerializer, Alias("ehr.SyncState")]
public enum SyncState
{
    /// <summary>It was never complete yet.</summary>
    Waiting = 0,

    /// <summary>The last run read all there was.</summary>
    Complete = 1,

    /// <summary>The last run did not: the types say why.</summary>
    Incomplete = 2,
}

/// <summary>How changes of one resource type are found.</summary>
[GenerateSerializer, Alias("ehr.SyncMode")]
public enum SyncMode
{
    /// <summary>All of it is read and compared by content hashes.</summary>
    Crawl = 0,

    /// <summary>What was changed since (<c>_lastUpdated</c>).</summary>
    LastUpdated = 1,

    /// <summary>What is dated since: clinical dates, where the EHR does not tell when something was changed.</summary>
    DateWindow = 2,

    /// <summary>Read by its id where something refers to it.</summary>
    ByReference = 3,
}

/// <summary>What the last run of one resource type found.</summary>
[GenerateSerializer, Immutable, Alias("ehr.SyncCounts")]
public sealed record SyncCounts
{
    /// <summary>Matches that the server said there are; null: it did not say.</summary>
    [Id(0)]
    public int? Said { get; init; }

    /// <summary>Resources that were read, each once.</summary>
    [Id(1)]
    public int Fetched { get; init; }

    /// <summary>Versions that were written.</summary>
    [Id(2)]
    public int Stored { get; init; }

    /// <summary>Resources that said nothing new.</summary>
    [Id(3)]
    public int Unchanged { get; init; }

    /// <summary>Resources that were not taken; <see cref="Reasons"/> says why.</summary>
    [Id(4)]
    public int Quarantined { get; init; }

    /// <summary>Resources that the server said there are and did not send, or that something refers to and that could not be read.</summary>
    [Id(5)]
    public int Missing { get; init; }

    /// <summary>Resources that were found to be deleted.</summary>
    [Id(6)]
    public int Deleted { get; init; }

    /// <summary>Pages that were read.</summary>
    [Id(7)]
    public int Pages { get; init; }

    /// <summary>Why resources were not taken or are missing, with how many; at most 16.</summary>
    [Id(8)]
    public Dictionary<string, int> Reasons { get; init; } = [];
}

/// <summary>How one resource type of one patient stands.</summary>
[GenerateSerializer, Immutable, Alias("ehr.SyncTypeStatus")]
public sealed record SyncTypeStatus
{
    /// <summary>The resource type.</summary>
    [Id(0)]
    public required string Type { get; init; }

    /// <summary>How the last run read it.</summary>
    [Id(1)]
    public required SyncMode Mode { get; init; }

    /// <summary>Whether the last run is over and read all there was.</summary>
    [Id(2)]
    public required bool IsComplete { get; init; }

    /// <summary>What the last run found.</summary>
    [Id(3)]
    public required SyncCounts Counts { get; init; }

    /// <summary>Up to when changes are known; null: that is not known by time.</summary>
    [Id(4)]
    public DateTimeOffset? Watermark { get; init; }

    /// <summary>When it was complete last.</summary>
    [Id(5)]
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>Why it is not complete.</summary>
    [Id(6)]
    public Problem? Problem { get; init; }

    /// <summary>When the last run ended, or was put off; null: the first one is under way.</summary>
    [Id(7)]
    public DateTimeOffset? FinishedAt { get; init; }
}

/// <summary>How the copy of one patient stands.</summary>
[GenerateSerializer, Immutable, Alias("ehr.SyncStatus")]
public sealed record SyncStatus
{
    /// <summary>The EHR's Patient.</summary>
    [Id(0)]
    public required PatientId Patient { get; init; }

    /// <summary>The record that the copy is in; null: that is not known before the first run.</summary>
    [Id(1)]
    public PatientId? Record { get; init; }

    /// <summary>How it stands.</summary>
    [Id(2)]
    public required SyncState State { get; init; }

    /// <summary>When the EHR is asked again.</summary>
    [Id(3)]
    public required DateTimeOffset DueAt { get; init; }

    /// <summary>When it was complete last.</summary>
    [Id(4)]
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>Why the last run did not come to its end; null: it did, or it is under way.</summary>
    [Id(5)]
    public Problem? Problem { get; init; }

    /// <summary>By resource type.</summary>
    [Id(6)]
    public required SyncTypeStatus[] Types { get; init; }
}

/// <summary>All patients of a tenant, one resource type.</summary>
[GenerateSerializer, Immutable, Alias("ehr.SyncTypeTotals")]
public sealed record SyncTypeTotals
{
    /// <summary>The resource type.</summary>
    [Id(0)]
    public required string Type { get; init; }

    /// <summary>Patients whose last run of this type is over.</summary>
    [Id(1)]
    public required int Patients { get; init; }

    /// <summary>Those of them whose copy is complete.</summary>
    [Id(2)]
    public required int Complete { get; init; }

    /// <summary>The counts of their last runs; <see cref="SyncCounts.Said"/> where the server said it of each.</summary>
    [Id(3)]
    public required SyncCounts Counts { get; init; }
}

/// <summary>How the copy of a tenant's patients stands.</summary>
[GenerateSerializer, Immutable, Alias("ehr.TenantSyncStatus")]
public sealed record TenantSyncStatus
{
    /// <summary>Whether nothing is asked of the EHR until it is resumed.</summary>
    [Id(0)]
    public required bool IsPaused { get; init; }

    /// <summary>Enrolled patients.</summary>
    [Id(1)]
    public required int Patients { get; init; }

    /// <summary>Those whose copy was never complete yet.</summary>
    [Id(2)]
    public required int Waiting { get; init; }

    /// <summary>Those whose last run read all there was.</summary>
    [Id(3)]
    public required int Complete { get; init; }

    /// <summary>Those whose last run did not.</summary>
    [Id(4)]
    public required int Incomplete { get; init; }

    /// <summary>Those that are due now, the waiting ones among them.</summary>
    [Id(5)]
    public required int Due { get; init; }

    /// <summary>Patients a minute that became complete in the last ten minutes.</summary>
    [Id(6)]
    public required double PatientsPerMinute { get; init; }

    /// <summary>How long it takes until none is waiting, at that rate; zero: none is; null: nothing is known of the rate.</summary>
    [Id(7)]
    public TimeSpan? TimeLeft { get; init; }
}

/// <summary>Whether the copy of a tenant's patients is complete, or what is not.</summary>
[GenerateSerializer, Immutable, Alias("ehr.SyncReport")]
public sealed record SyncReport
{
    /// <summary>Whether every enrolled patient's copy is.</summary>
    [Id(0)]
    public required bool IsComplete { get; init; }

    /// <summary>How it stands as a whole.</summary>
    [Id(1)]
    public required TenantSyncStatus Status { get; init; }

    /// <summary>By resource type.</summary>
    [Id(2)]
    public required SyncTypeTotals[] Types { get; init; }

    /// <summary>Patients whose copy is not complete, at most as many as were asked for.</summary>
    [Id(3)]
    public required SyncStatus[] Incomplete { get; init; }
}

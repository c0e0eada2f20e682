namespace EhrGrains.Storage.Keys;

/// <summary>What a data key is for; each class of a scope has a key of its own. The numbers are part of what is stored.</summary>
public enum KeyClass
{
    /// <summary>State of grains.</summary>
    GrainState = 1,

    /// <summary>Secrets and private keys of hospitals' connections.</summary>
    Credential = 2,

    /// <summary>Paging cursors handed to apps.</summary>
    Cursor = 3,

    /// <summary>Resource ids of hospitals.</summary>
    Id = 4,

    /// <summary>Keys that our own token endpoint signs with.</summary>
    Signing = 5,

    /// <summary>Raw messages of feeds.</summary>
    Journal = 6,

    /// <summary>Not for sealing: what resource ids and blind indexes are derived with (<see cref="KeyRing.DeriveAsync"/>).</summary>
    Identity = 7,

    /// <summary>Resources of patient records.</summary>
    Record = 8,

    /// <summary>Where the copies of patients have got to, and what is known of them.</summary>
    Sync = 9,

    /// <summary>What is written back to EHRs, and what came of it.</summary>
    Write = 10,
}

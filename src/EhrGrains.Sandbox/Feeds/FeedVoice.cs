namespace EhrGrains.Sandbox.Feeds;

/// <summary>How one hospital's interface engine writes its messages. Which values these are is each site's own configuration.</summary>
internal sealed record FeedVoice
{
    /// <summary>MSH-3.</summary>
    public required string Application { get; init; }

    /// <summary>MSH-4; its first component is what a feed is known by.</summary>
    public required string Facility { get; init; }

    /// <summary>MSH-12.</summary>
    public required string Version { get; init; }

    /// <summary>Whether MSH-9 names the structure, times carry their offset, and the data types are those of 2.5.</summary>
    public required bool Modern { get; init; }

    /// <summary>MSH-18.</summary>
    public string CharacterSet { get; init; } = "";

    /// <summary>Who assigns record numbers: PID-3.4.</summary>
    public required string Authority { get; init; }

    /// <summary>The identifier type of the id that the hospital's FHIR server gives the patient: PID-3.5.</summary>
    public required string FhirIdType { get; init; }

    /// <summary>The site's own segment, after PV1; null: none.</summary>
    public string? OwnSegment { get; init; }
}

/// <summary>One message of a feed.</summary>
/// <param name="ControlId">MSH-10.</param>
/// <param name="Trigger">Type and event, for example <c>ADT^A01</c>.</param>
/// <param name="Text">The message, segments ended by CR.</param>
internal sealed record FeedMessage(string ControlId, string Trigger, string Text);

using EhrGrains.Fhir.V2.Compiling;

namespace EhrGrains.Fhir.V2.Running;

/// <summary>A resource that is being made.</summary>
internal sealed class MadeResource(MapPlan map, Node node, string id, int position, int patient)
{
    internal MapPlan Map => map;

    internal Node Node => node;

    internal string Id => id;

    /// <summary>The segment that made it.</summary>
    internal int Position => position;

    /// <summary>The mention of the patient whose it is; -1: the message's own.</summary>
    internal int Patient => patient;

    /// <summary>The top-level elements that <c>""</c> deletes.</summary>
    internal List<FhirElement>? Deleted { get; set; }

    internal string Type => node.Type.Name;
}

using EhrGrains.Contracts;

namespace EhrGrains.Grains.Populations;

/// <summary>What goes wrong with bulk exports, and what to do.</summary>
internal static class BulkProblems
{
    internal static readonly Problem FileTooLarge = new(
        "EHR-BLK-020", "", "A file of the export is larger than the bound (EhrGrains:Connect:BulkFileBytesMax). Ask for fewer types at a time, or raise the bound.");

    internal static readonly Problem CutOff = new("EHR-BLK-021", "", "A file of the export broke off; the rest of it is asked for again.");

    internal static readonly Problem GaveUp = new(
        "EHR-BLK-022", "", "The hospital could not be asked about the export for too long. Start it again, and ask the hospital if this lasts.");

    internal static readonly Problem Expired = new(
        "EHR-BLK-023", "", "Files of the export expired before they were read, also when they were asked for again. Ask for fewer types at a time.");

    internal static readonly Problem FilesGivenUp = new(
        "EHR-BLK-024", "", "Files of the export could not be read after many tries. Start it again for these types, and ask the hospital if this lasts.");

    internal static Problem Missing(long count, IEnumerable<string> types) => new(
        "EHR-BLK-025", "", $"The hospital's files hold {count} resources fewer than its list of them says: {string.Join(", ", types)}. Start the export again for these types.");

    internal static Problem Errors(long count) => new(
        "EHR-BLK-026", "", $"The hospital says of {count} resources that it could not export them. What is missing is found by reading the patients page by page.");

    internal static Problem Quarantined(long count) => new(
        "EHR-BLK-027", "", $"{count} lines of the export are not FHIR R4 resources of their file's type, or too long, and were left.");
}

using EhrGrains.Contracts;

namespace EhrGrains.Grains.Feeds;

/// <summary>What commands of feeds are refused for.</summary>
internal static class FeedRefusals
{
    internal static string Reason(string? reason, int lengthMax) =>
        reason is { Length: >= 1 } && reason.Length <= lengthMax && !reason.Any(char.IsControl)
            ? reason
            : throw new ProblemException(
                ProblemKind.Invalid, "EHR-FED-111", "reason", $"Give a reason: 1 to {lengthMax} characters, no control characters, no patient data.");

    internal static void CheckCount(int count, int countMax)
    {
        if (count < 1 || count > countMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-FED-112", "countMax", $"Ask for 1 to {countMax}.");
        }
    }

    internal static ProblemException NotInJournal(string path) =>
        new(ProblemKind.Invalid, "EHR-FED-113", path, "The journal has no message there; «ehrgrains feed show» says where it ends.");

    internal static ProblemException NotAside() =>
        new(ProblemKind.NotFound, "EHR-FED-114", "position", "No message at this position is put aside or stopped at.");
}

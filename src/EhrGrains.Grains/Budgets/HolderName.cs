using System.Globalization;

namespace EhrGrains.Grains.Budgets;

/// <summary>
/// Who holds a part of a site budget: <c>endpoint@generation/id</c>. The generation is that of the silo's process, the id that of one
/// lease in it.
/// </summary>
internal readonly record struct HolderName(string Endpoint, long Generation)
{
    /// <summary>A name for one lease alone: a later one of the same silo starts from nothing, and so must be another holder.</summary>
    internal static string New(string silo, DateTimeOffset now) => $"{silo}/{Guid.CreateVersion7(now):N}";

    /// <summary>
    /// True when this process can only have begun after the other had ended: both listen on the same address and port, which the
    /// operating system gives to one process at a time.
    /// </summary>
    internal bool Succeeds(HolderName other) => Endpoint.Length > 0 && Endpoint == other.Endpoint && Generation > other.Generation;

    internal static HolderName Parse(string name)
    {
        var at = name.LastIndexOf('@');
        var slash = name.IndexOf('/', Math.Max(0, at));
        return at > 0 && slash > at && long.TryParse(name.AsSpan(at + 1, slash - at - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var generation)
            ? new HolderName(name[..at], generation)
            : default;
    }
}

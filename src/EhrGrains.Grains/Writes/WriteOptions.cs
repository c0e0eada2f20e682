namespace EhrGrains.Grains.Writes;

/// <summary>How patiently writes are sent.</summary>
/// <param name="SendWindow">How long after it was noted that a write may have been sent it may still leave: a process that was paused lets it be.</param>
/// <param name="LookDelay">
/// How long after a try whose outcome was lost the EHR is looked at: longer than <paramref name="SendWindow"/>, the longest request and
/// what the clocks of two silos may differ, so that nothing can arrive any more.
/// </param>
/// <param name="LooksMax">How often it is looked, or read back, before a person has to.</param>
/// <param name="DelayMin">How long to wait after the first failure; doubles.</param>
/// <param name="DelayMax">How long at most.</param>
/// <param name="GivenUpAfter">How long it is tried to send a write at all.</param>
/// <param name="KeptFor">How long settled writes are kept, and repeats of them known.</param>
/// <param name="OpenMax">The most writes of a tenant that are not settled.</param>
/// <param name="ParallelMax">How many patients' writes go on at one time.</param>
internal sealed record WriteOptions(
    TimeSpan SendWindow, TimeSpan LookDelay, int LooksMax, TimeSpan DelayMin, TimeSpan DelayMax, TimeSpan GivenUpAfter, TimeSpan KeptFor, int OpenMax, int ParallelMax)
{
    internal static WriteOptions Default { get; } = new(
        TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(90), 10, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(5), TimeSpan.FromDays(1), TimeSpan.FromDays(30), 10_000, 4);

    /// <summary>How long to wait after that many failures in a row, a fifth more or less by chance (0–1).</summary>
    internal TimeSpan Delay(int failures, double chance)
    {
        var delay = DelayMin * Math.Pow(2, Math.Clamp(failures - 1, 0, 12));
        return (delay < DelayMax ? delay : DelayMax) * (0.8 + (0.4 * chance));
    }
}

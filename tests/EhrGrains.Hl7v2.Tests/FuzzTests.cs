using EhrGrains.Fuzz;

namespace EhrGrains.Hl7v2.Tests;

public sealed class FuzzTests
{
    // tests/EhrGrains.Fuzz --seconds 120 is the long form; EHRGRAINS_FUZZ_SECONDS makes this one as long.
    [Fact]
    public void Thousands_of_spoilt_messages_break_no_law_and_stay_within_their_bounds()
    {
        var isLong = int.TryParse(Environment.GetEnvironmentVariable("EHRGRAINS_FUZZ_SECONDS"), out var seconds);
        var result = MutationRun.Run(TimeSpan.FromSeconds(isLong ? seconds : 8), isLong ? int.MaxValue : 3_000, seed: isLong ? Environment.TickCount : 1);

        result.Failure.ShouldBeNull(result.Failure is { } failure ? $"{failure.Target} on {Convert.ToHexString(failure.Input)}" : "");
        result.Inputs.Values.ShouldAllBe(count => count > 100);
    }
}

using EhrGrains.Fuzz;

namespace EhrGrains.Hl7v2.Tests;

public sealed class FuzzTests
{
    // tests/EhrGrains.Fuzz --seconds 120 --seed N looks for what is new; EHRGRAINS_FUZZ_SECONDS makes this one long. It takes the
    // same inputs each time and a number of them that does not depend on the machine: a test must not find by chance.
    [Fact]
    public void Thousands_of_spoilt_messages_break_no_law_and_stay_within_their_bounds()
    {
        var isLong = int.TryParse(Environment.GetEnvironmentVariable("EHRGRAINS_FUZZ_SECONDS"), out var seconds);
        var (inputsMax, seed) = isLong ? (150_000, 2026) : (3_000, 1);
        var result = MutationRun.Run(TimeSpan.FromSeconds(isLong ? seconds : 8), inputsMax, seed);

        result.Failure.ShouldBeNull(result.Failure is { } failure ? $"{failure.Target} on {Convert.ToHexString(failure.Input)}" : "");
        result.Inputs.Values.ShouldAllBe(count => count > 100);
    }
}

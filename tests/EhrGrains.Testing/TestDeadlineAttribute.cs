using System.Collections.Concurrent;
using System.Reflection;
using Xunit.v3;

namespace EhrGrains.Testing;

/// <summary>
/// How long a test may take. Then its cancellation token is cancelled, so that it fails by itself and says where it was waiting; one that
/// does not heed its token ends the run, with its name. On the whole assembly, or on one class.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly | AttributeTargets.Class)]
public sealed class TestDeadlineAttribute(int seconds) : BeforeAfterTestAttribute
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<string, Timer[]> running = new(StringComparer.Ordinal);

    /// <summary>The time in seconds.</summary>
    public int Seconds { get; } = seconds;

    /// <inheritdoc/>
    public override void Before(MethodInfo methodUnderTest, IXunitTest test)
    {
        ArgumentNullException.ThrowIfNull(methodUnderTest);
        ArgumentNullException.ThrowIfNull(test);
        if (OfClass(test) is { } own && own.Seconds != Seconds)
        {
            return;
        }

        var name = test.TestDisplayName;
        var context = TestContext.Current;
        var limit = TimeSpan.FromSeconds(Seconds);
        running[test.UniqueID] =
        [
            new Timer(
                _ =>
                {
                    Console.Error.WriteLine($"{name} has taken {limit.TotalSeconds} s and is cancelled.");
                    context.CancelCurrentTest();
                },
                null,
                limit,
                Timeout.InfiniteTimeSpan),
            new Timer(_ => Environment.FailFast($"{name} does not end."), null, limit + Grace, Timeout.InfiniteTimeSpan),
        ];
    }

    /// <inheritdoc/>
    public override void After(MethodInfo methodUnderTest, IXunitTest test)
    {
        ArgumentNullException.ThrowIfNull(test);
        if (running.TryRemove(test.UniqueID, out var timers))
        {
            Array.ForEach(timers, timer => timer.Dispose());
        }
    }

    // Both apply to a test of a class that has its own: the class's own time counts.
    private static TestDeadlineAttribute? OfClass(IXunitTest test) => test.TestCase.TestClass.Class.GetCustomAttribute<TestDeadlineAttribute>();
}

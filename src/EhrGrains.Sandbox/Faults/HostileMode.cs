using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Traffic;

namespace EhrGrains.Sandbox.Faults;

/// <summary>How hostile a hospital is: the body of <c>PUT /_sandbox/hostile</c>.</summary>
internal sealed record HostileSettings
{
    /// <summary>The same seed misbehaves in the same way, request by request.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>So many of a hundred requests are misbehaved at. Default 100.</summary>
    public int Percent { get; init; } = 100;

    /// <summary>Only these of <see cref="HostileMode.Names"/>; null: all.</summary>
    public IReadOnlyList<string>? Names { get; init; }

    /// <summary>Only at these requests; null: at any but discovery.</summary>
    public IReadOnlyList<Operation>? Operations { get; init; }
}

/// <summary>Misbehaves at requests as a seed decides, out of forty ways that peers have been seen to.</summary>
internal sealed class HostileMode
{
    private static readonly Dictionary<string, Fault> All = new(StringComparer.Ordinal)
    {
        ["throttled"] = new() { Kind = FaultKind.TooManyRequests, RetryAfter = "2" },
        ["throttled-until-a-date"] = new() { Kind = FaultKind.TooManyRequests, RetryAfter = "date:2" },
        ["throttled-without-a-word"] = new() { Kind = FaultKind.TooManyRequests },
        ["throttled-for-ages"] = new() { Kind = FaultKind.TooManyRequests, RetryAfter = "1000000000" },
        ["throttled-into-the-past"] = new() { Kind = FaultKind.TooManyRequests, RetryAfter = "-5" },
        ["unavailable"] = new() { Kind = FaultKind.Unavailable },
        ["unauthorized"] = new() { Kind = FaultKind.Unauthorized },
        ["forbidden"] = new() { Kind = FaultKind.Status, Status = 403 },
        ["server-error-page"] = new() { Kind = FaultKind.Status, Status = 500 },
        ["sign-in-page"] = new() { Kind = FaultKind.Html },
        ["no-content"] = new() { Kind = FaultKind.Status, Status = 204 },
        ["not-modified"] = new() { Kind = FaultKind.Status, Status = 304 },
        ["redirect"] = new() { Kind = FaultKind.Redirect },
        ["redirect-loop"] = new() { Kind = FaultKind.RedirectLoop },
        ["slow-headers"] = new() { Kind = FaultKind.Delay, Milliseconds = 600_000 },
        ["slow-body"] = new() { Kind = FaultKind.SlowBody, BytesPerSecond = 1 },
        ["reset-body"] = new() { Kind = FaultKind.ResetBody },
        ["truncated-body"] = new() { Kind = FaultKind.TruncatedBody },
        ["hangup"] = new() { Kind = FaultKind.Hangup },
        ["wrong-length"] = new() { Kind = FaultKind.WrongLength },
        ["header-flood"] = new() { Kind = FaultKind.HeaderFlood },
        ["clock-back"] = new() { Kind = FaultKind.ClockBack },
        ["oversized-body"] = new() { Kind = FaultKind.OversizedBody },
        ["gzip-bomb"] = new() { Kind = FaultKind.GzipBomb },
        ["invalid-json"] = new() { Kind = FaultKind.InvalidJson },
        ["wrong-content-type"] = new() { Kind = FaultKind.WrongContentType },
        ["wrong-charset"] = new() { Kind = FaultKind.WrongCharset },
        ["byte-order-mark"] = new() { Kind = FaultKind.ByteOrderMark },
        ["duplicate-keys"] = new() { Kind = FaultKind.DuplicateKeys },
        ["deep-json"] = new() { Kind = FaultKind.DeepJson },
        ["wrong-type"] = new() { Kind = FaultKind.WrongType },
        ["older-version"] = new() { Kind = FaultKind.OlderVersion },
        ["other-patient"] = new() { Kind = FaultKind.OtherPatient },
        ["endless-paging"] = new() { Kind = FaultKind.EndlessPaging },
        ["self-next"] = new() { Kind = FaultKind.SelfNext },
        ["foreign-next"] = new() { Kind = FaultKind.ForeignNext },
        ["repeated-page"] = new() { Kind = FaultKind.RepeatedPage },
        ["shuffled-page"] = new() { Kind = FaultKind.ShuffledPage },
        ["shrinking-total"] = new() { Kind = FaultKind.ShrinkingTotal },
        ["missing-total"] = new() { Kind = FaultKind.MissingTotal },
    };

    private readonly Lock gate = new();
    private readonly HostileSettings settings;
    private readonly SplitMix64 random;
    private readonly string[] names;

    public HostileMode(HostileSettings settings)
    {
        this.settings = settings;
        random = SplitMix64.For(settings.Seed, "hostile");
        names = [.. settings.Names ?? Names];
    }

    /// <summary>Every way to misbehave.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Keys];

    public static IEnumerable<string> Problems(HostileSettings settings)
    {
        if (settings.Percent is < 1 or > 100)
        {
            yield return "percent: 1 to 100.";
        }

        if (settings.Names is { } names && (names.Count == 0 || !names.All(All.ContainsKey)))
        {
            yield return $"names: of {string.Join(", ", Names)}.";
        }
    }

    /// <summary>The misbehaviour that this request meets; null: none.</summary>
    public Fault? Draw(Operation operation)
    {
        if (!(settings.Operations?.Contains(operation) ?? (operation != Operation.Discovery)))
        {
            return null;
        }

        lock (gate)
        {
            return random.Chance(settings.Percent) ? All[random.Pick(names)] : null;
        }
    }
}

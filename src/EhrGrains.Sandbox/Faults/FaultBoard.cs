using System.Diagnostics.CodeAnalysis;
using EhrGrains.Sandbox.Traffic;

namespace EhrGrains.Sandbox.Faults;

/// <summary>The faults that are set for one hospital.</summary>
internal sealed class FaultBoard
{
    /// <summary>No more faults than this at one time.</summary>
    public const int FaultsMax = 100;

    private readonly Lock gate = new();
    private volatile Setting[] settings = [];
    private volatile HostileMode? hostile;

    /// <summary>The faults that will still happen, with the times that they have left.</summary>
    public IReadOnlyList<Fault> Current
    {
        get
        {
            lock (gate)
            {
                return [.. settings.Select(setting => setting.Fault with { Times = setting.Left })];
            }
        }
    }

    public void Set(IReadOnlyList<Fault> faults)
    {
        lock (gate)
        {
            settings = [.. faults.Select(fault => new Setting(fault))];
        }
    }

    /// <summary>Misbehaves at random as well; null: no more.</summary>
    public HostileMode? Hostile
    {
        get => hostile;
        set => hostile = value;
    }

    /// <summary>The faults that this request meets; counts it against their number of times.</summary>
    public FaultSet Take(Operation operation, string path)
    {
        if (hostile?.Draw(operation) is { } drawn)
        {
            return new FaultSet([drawn]);
        }

        if (settings.Length == 0)
        {
            return FaultSet.None;
        }

        lock (gate)
        {
            var taken = settings.Where(setting => setting.Fault.Concerns(operation, path)).ToArray();
            foreach (var setting in taken)
            {
                setting.Left--;
            }

            settings = Array.FindAll(settings, setting => setting.Left is null or > 0);
            return taken.Length == 0 ? FaultSet.None : new FaultSet([.. taken.Select(setting => setting.Fault)]);
        }
    }

    private sealed class Setting(Fault fault)
    {
        public Fault Fault { get; } = fault;

        public int? Left { get; set; } = fault.Times;
    }
}

/// <summary>The faults that one request meets.</summary>
internal sealed class FaultSet(Fault[] faults)
{
    public static readonly FaultSet None = new([]);

    public IReadOnlyList<Fault> All => faults;

    public bool IsEmpty => faults.Length == 0;

    public bool Has(FaultKind kind) => TryGet(kind, out _);

    public bool TryGet(FaultKind kind, [NotNullWhen(true)] out Fault? fault) =>
        (fault = Array.Find(faults, candidate => candidate.Kind == kind)) is not null;
}

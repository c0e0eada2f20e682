namespace EhrGrains.Sandbox.Traffic;

/// <summary>What the hospital's contract allows: so many FHIR requests in any second. Refused requests use nothing up.</summary>
internal sealed class Contract(TimeProvider time, int requestsPerSecond)
{
    private readonly Lock gate = new();
    private readonly ArrivalWindow admitted = new(time);

    /// <summary>0: unlimited.</summary>
    public int RequestsPerSecond { get; } = requestsPerSecond;

    /// <summary>False when the request is one too many; then says how many whole seconds to wait.</summary>
    public bool TryAdmit(out int retryAfterSeconds)
    {
        retryAfterSeconds = 0;
        if (RequestsPerSecond == 0)
        {
            return true;
        }

        lock (gate)
        {
            var now = time.GetTimestamp();
            if (admitted.Count(now) < RequestsPerSecond)
            {
                admitted.Add(now);
                return true;
            }

            retryAfterSeconds = Math.Max(1, (int)Math.Ceiling(admitted.UntilOldestLeaves(now).TotalSeconds));
            return false;
        }
    }
}

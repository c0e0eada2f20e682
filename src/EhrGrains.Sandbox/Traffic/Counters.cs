namespace EhrGrains.Sandbox.Traffic;

/// <summary>What a request is for.</summary>
internal enum Operation
{
    Search,
    Page,
    Read,
    Token,
    Discovery,

    /// <summary>Kick-off, status and end of a bulk export.</summary>
    Export,

    /// <summary>A file of a bulk export.</summary>
    File,

    /// <summary>A resource that an application creates.</summary>
    Create,

    /// <summary>A resource that an application updates.</summary>
    Update,
}

/// <summary>What one hospital has seen since it was started or last reset. FHIR requests are searches, pages, reads and what is about exports.</summary>
internal sealed record CounterReading
{
    public required long Searches { get; init; }

    public required long Pages { get; init; }

    public required long Reads { get; init; }

    public required long Exports { get; init; }

    public required long Files { get; init; }

    /// <summary>Requests to create or update a resource.</summary>
    public required long Writes { get; init; }

    /// <summary>Resources that such requests created or updated.</summary>
    public required long Written { get; init; }

    /// <summary>Requests that brought a token to the object storage, which it is not for.</summary>
    public required long TokensStrayed { get; init; }

    public required long Discoveries { get; init; }

    public required long TokenRequests { get; init; }

    public required long TokensIssued { get; init; }

    /// <summary>FHIR requests answered 429, by the contract or a fault.</summary>
    public required long Throttled { get; init; }

    /// <summary>FHIR requests answered 401.</summary>
    public required long Unauthorized { get; init; }

    /// <summary>The most FHIR requests that arrived in any one second, refused ones included; exact up to 65,536.</summary>
    public required int RequestsInAnySecondMax { get; init; }

    /// <summary>The most FHIR requests that were under way at one time.</summary>
    public required int ConcurrentMax { get; init; }
}

/// <summary>Counts one hospital's requests as they arrive, before anything is decided about them.</summary>
internal sealed class Counters(TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly long[] requests = new long[Enum.GetValues<Operation>().Length];
    private readonly ArrivalWindow arrivals = new(time);
    private long tokensIssued;
    private long tokensStrayed;
    private long written;
    private long throttled;
    private long unauthorized;
    private int inAnySecondMax;
    private int concurrent;
    private int concurrentMax;

    public void Arrived(Operation operation)
    {
        lock (gate)
        {
            requests[(int)operation]++;
            if (operation is Operation.Token or Operation.Discovery)
            {
                return;
            }

            var now = time.GetTimestamp();
            arrivals.Count(now);
            arrivals.Add(now);
            inAnySecondMax = Math.Max(inAnySecondMax, arrivals.Count(now));
            concurrentMax = Math.Max(concurrentMax, ++concurrent);
        }
    }

    public void Answered(Operation operation, int status)
    {
        if (operation is Operation.Token or Operation.Discovery)
        {
            return;
        }

        lock (gate)
        {
            concurrent--;
            throttled += status == StatusCodes.Status429TooManyRequests ? 1 : 0;
            unauthorized += status == StatusCodes.Status401Unauthorized ? 1 : 0;
        }
    }

    public void ResourceWritten() => Interlocked.Increment(ref written);

    public void TokenIssued() => Interlocked.Increment(ref tokensIssued);

    public void TokenStrayed() => Interlocked.Increment(ref tokensStrayed);

    public CounterReading Read()
    {
        lock (gate)
        {
            return new CounterReading
            {
                Searches = requests[(int)Operation.Search],
                Pages = requests[(int)Operation.Page],
                Reads = requests[(int)Operation.Read],
                Exports = requests[(int)Operation.Export],
                Files = requests[(int)Operation.File],
                Writes = requests[(int)Operation.Create] + requests[(int)Operation.Update],
                Written = Interlocked.Read(ref written),
                TokensStrayed = Interlocked.Read(ref tokensStrayed),
                Discoveries = requests[(int)Operation.Discovery],
                TokenRequests = requests[(int)Operation.Token],
                TokensIssued = Interlocked.Read(ref tokensIssued),
                Throttled = throttled,
                Unauthorized = unauthorized,
                RequestsInAnySecondMax = inAnySecondMax,
                ConcurrentMax = concurrentMax,
            };
        }
    }

    /// <summary>Starts from zero; requests under way stay counted as such.</summary>
    public void Reset()
    {
        lock (gate)
        {
            Array.Clear(requests);
            Interlocked.Exchange(ref tokensIssued, 0);
            Interlocked.Exchange(ref tokensStrayed, 0);
            Interlocked.Exchange(ref written, 0);
            throttled = unauthorized = 0;
            inAnySecondMax = 0;
            concurrentMax = concurrent;
        }
    }
}

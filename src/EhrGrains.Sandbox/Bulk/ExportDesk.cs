using EhrGrains.Sandbox.Charts;
using EhrGrains.Sandbox.Vendors;

namespace EhrGrains.Sandbox.Bulk;

/// <summary>The exports of one hospital. Bounded: the oldest is forgotten when there are too many.</summary>
internal sealed class ExportDesk(IVendor vendor, ChartStore charts, TimeProvider time, int pollsMax, TimeSpan every)
{
    private const int JobsMax = 100;

    private readonly Lock gate = new();
    private readonly List<ExportJob> jobs = [];
    private readonly Dictionary<string, DateTimeOffset> lastOfGroup = [];

    /// <summary>Null when an export has to wait; then says how long.</summary>
    public ExportJob? Begin(ExportRequest request, out TimeSpan wait)
    {
        var now = time.GetUtcNow();
        lock (gate)
        {
            wait = request.Group is { } group && lastOfGroup.TryGetValue(group, out var last) ? last + every - now : TimeSpan.Zero;
            if (wait <= TimeSpan.Zero && vendor.Bulk.OneAtATime && jobs.Exists(static job => job.IsPreparing))
            {
                wait = TimeSpan.FromSeconds(1);
            }

            if (wait > TimeSpan.Zero)
            {
                return null;
            }

            var at = new DateTime(now.UtcTicks - now.UtcTicks % TimeSpan.TicksPerSecond, DateTimeKind.Utc);
            var job = ExportJob.Begin(request, vendor, charts, at, pollsMax);
            if (request.Group is { } exported)
            {
                lastOfGroup[exported] = now;
            }

            if (jobs.Count == JobsMax)
            {
                jobs.RemoveAt(0);
            }

            jobs.Add(job);
            return job;
        }
    }

    /// <summary>Null when there is no such export, or its files are kept no more.</summary>
    public ExportJob? Find(string id)
    {
        lock (gate)
        {
            return jobs.Find(job => job.Id == id && job.At + vendor.Bulk.KeptFor > time.GetUtcNow().UtcDateTime);
        }
    }

    public ExportFile? FindFile(string key)
    {
        lock (gate)
        {
            return jobs.SelectMany(static job => job.Files).FirstOrDefault(file => file.Key == key);
        }
    }

    /// <summary>Forgets an export and its files.</summary>
    public bool End(string id)
    {
        lock (gate)
        {
            return jobs.RemoveAll(job => job.Id == id) > 0;
        }
    }

    /// <summary>Forgets everything: files are gone, and every group can be exported again.</summary>
    public void Clear()
    {
        lock (gate)
        {
            jobs.Clear();
            lastOfGroup.Clear();
        }
    }
}

/// <summary>The origin that a hospital keeps the files of its exports at, where that is not its own.</summary>
internal sealed record ObjectStorage(Hospitals.Hospital Hospital);

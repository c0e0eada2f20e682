using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;

namespace EhrGrains.Grains.Records;

/// <summary>What operators ask of a record.</summary>
internal sealed partial class PatientRecordGrain
{
    private const int CountMax = 1_000;

    public async Task<RecordDescription> DescribeAsync(CancellationToken cancellationToken)
    {
        var head = (await LoadAsync([], cancellationToken)).Head;
        return head.Version == 0
            ? throw NoRecord()
            : new RecordDescription
            {
                Patient = Patient,
                Version = head.Version,
                At = head.At,
                MergedInto = head.MergedInto,
                Resources = (await store.CountAsync(Tenant, Patient, cancellationToken)).ToDictionary(type => type.Type, type => type.Count),
                Bytes = head.Bytes,
                Sources = head.Marks.ToDictionary(mark => mark.Key, mark => mark.Value[^1]),
            };
    }

    public async Task<RecordVersion[]> WhyAsync(RecordKey? resource, int countMax, CancellationToken cancellationToken)
    {
        CheckCount(countMax);
        var versions = await store.ListVersionsAsync(Tenant, Patient, resource, countMax, cancellationToken);
        return versions.Count > 0 ? [.. versions] : throw NoRecord();
    }

    public async Task<byte[][]> ShowAsync(string? type, int countMax, CancellationToken cancellationToken)
    {
        CheckCount(countMax);

        // The intent is on disk before a byte is read (I5).
        return await audit.RunAsync(
            Tenant,
            "record.show",
            async () =>
            {
                var state = await LoadAsync(type is null ? [] : [type], cancellationToken);
                return state.Head.Version == 0
                    ? throw NoRecord()
                    : state.Chart.Types.Where(held => type is null || held == type).ToArray()
                        .SelectMany(state.Chart.Of).Take(countMax).Select(entry => entry.Json.ToArray()).ToArray();
            },
            cancellationToken,
            Patient.Value);
    }

    private static void CheckCount(int countMax)
    {
        if (countMax is < 1 or > CountMax)
        {
            throw new ProblemException(ProblemKind.Invalid, "EHR-REC-009", "countMax", "Ask for 1 to 1,000.");
        }
    }
}

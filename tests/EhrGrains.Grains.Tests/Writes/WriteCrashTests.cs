using EhrGrains.Contracts.Writes;

namespace EhrGrains.Grains.Tests.Writes;

/// <summary>A silo that dies with a write under way.</summary>
public sealed class WriteCrashTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_write_whose_silo_dies_while_the_hospital_works_on_it_is_there_exactly_once()
    {
        const string Vendor = WriteHospitals.Oracle;
        await using var hospitals = new WriteHospitals();
        await hospitals.InitializeAsync();
        var patient = await hospitals.PatientAsync(Vendor);

        await hospitals.MisbehaveAsync(Vendor, new { kind = "answer-lost", operation = "create", times = 1 }, new { kind = "delay", operation = "create", times = 1, milliseconds = 300 });
        var write = hospitals.Weight(Vendor, patient, 64.5m, "crash") with { WaitSeconds = 0 };
        var accepted = await hospitals.SendAsync(Vendor, write);
        await hospitals.ArrivedAsync(Vendor);
        await KillAsync(hospitals, await hospitals.WhereAsync(Vendor));

        // The one that is left.
        hospitals.Cluster.Cluster.Silos.Count.ShouldBe(1);
        var receipt = await hospitals.EndAsync(Vendor, write);

        receipt.Number.ShouldBe(accepted.Number);
        receipt.State.ShouldBe(WriteState.Confirmed, string.Join("; ", receipt.Problems.Select(problem => problem.Message)));
        (await hospitals.WrittenAsync(Vendor)).ShouldBe(1);
        (await hospitals.FindAsync(Vendor, patient, "64.5")).Length.ShouldBe(1);
    }

    // Its services are given no time to stop, and some of them say so.
    private static async Task KillAsync(WriteHospitals hospitals, int silo)
    {
        try
        {
            await hospitals.Cluster.Cluster.KillSiloAsync(hospitals.Cluster.Cluster.Silos[silo], Ct);
        }
        catch (OperationCanceledException) when (!Ct.IsCancellationRequested)
        {
        }
        catch (AggregateException e) when (e.InnerExceptions.All(inner => inner is OperationCanceledException) && !Ct.IsCancellationRequested)
        {
        }
    }
}

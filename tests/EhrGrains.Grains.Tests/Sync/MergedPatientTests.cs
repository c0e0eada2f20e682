using EhrGrains.Contracts;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Normalization;

namespace EhrGrains.Grains.Tests.Sync;

/// <summary>A patient whom the hospital makes a part of another is a part of that one here too, and nothing of either is lost.</summary>
public sealed class MergedPatientTests(SyncHospitals hospitals) : IClassFixture<SyncHospitals>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("epic")]
    [InlineData("oracle-health")]
    [InlineData("athenahealth")]
    [InlineData("meditech")]
    [InlineData("veradigm")]
    [InlineData("modmed")]
    [InlineData("modmed-ema")]
    public async Task Who_is_merged_at_the_hospital_is_merged_here(string vendor)
    {
        var tenant = await hospitals.OpenAsync(vendor);
        var patients = await hospitals.PatientsAsync(vendor);
        var (prior, survivor) = (patients[0], patients[1]);
        await hospitals.Table.EnrolAsync(tenant, [Id(prior), Id(survivor)], Ct);
        var before = await hospitals.RunAsync(tenant, prior);
        await hospitals.RunAsync(tenant, survivor);
        var had = await hospitals.RecordAsync(tenant, before.Record!.Value);

        // What goes with the merge, of the prior patient: nobody has it afterwards.
        var deleted = had.Keys.First(key => key.StartsWith("Condition/", StringComparison.Ordinal));
        await hospitals.EditAsync(
            vendor,
            new { kind = "delete", type = "Condition", id = await OriginalAsync(vendor, prior, deleted) },
            new { kind = "merge", id = prior, into = survivor });
        await hospitals.Table.RefreshAsync(tenant, [Id(prior)], isWhole: false, Ct);
        await EndAsync(tenant, prior);
        var after = await hospitals.RunAsync(tenant, survivor);

        (await hospitals.Table.LoadAsync(tenant, Id(prior), Ct)).ShouldBeNull();
        after.State.ShouldBe(SyncState.Complete);
        var record = await hospitals.RecordAsync(tenant, after.Record!.Value);
        record.ShouldNotContainKey(deleted);
        (await hospitals.DescribeAsync(tenant, before.Record.Value)).MergedInto.ShouldBe(after.Record);
        var wanted = (await hospitals.TruthAsync(vendor, survivor))["resources"]!.AsArray()
            .Where(resource => (bool)resource!["found"]! && after.Types.Any(type => type.Type == (string)resource["type"]!))
            .Select(resource => $"{resource!["type"]}/{ResourceIds.ToLegal((string)resource["id"]!, out _)}").ToArray();
        wanted.Except(record.Keys).ShouldBeEmpty();
        had.Keys.Except([deleted, $"Patient/{prior}"]).Except(record.Keys).ShouldBeEmpty();
        record.Values.Select(resource => (string?)resource["subject"]?["reference"]).OfType<string>().Distinct().ShouldBe([$"Patient/{after.Record}"]);
    }

    private static PatientId Id(string patient) => PatientId.Parse(ResourceIds.ToLegal(patient, out _), null);

    // A run is put off until the survivor's is complete.
    private async Task EndAsync(TenantId tenant, string patient)
    {
        for (var i = 0; i < 3 && await hospitals.Table.LoadAsync(tenant, Id(patient), Ct) is not null; i++)
        {
            using var system = hospitals.EnterSystem();
            await hospitals.Cluster.Grains().GetGrain<IPatientSyncCursorGrain>(GrainKeys.Patient(tenant, Id(patient))).RunAsync(Ct);
        }
    }

    private async Task<string> OriginalAsync(string vendor, string patient, string key) => (await hospitals.TruthAsync(vendor, patient))["resources"]!.AsArray()
        .Where(resource => $"{resource!["type"]}/{ResourceIds.ToLegal((string)resource["id"]!, out _)}" == key)
        .Select(resource => (string)resource!["id"]!).Single();
}

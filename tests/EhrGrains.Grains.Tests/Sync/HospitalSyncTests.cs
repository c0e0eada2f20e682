using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Sync;
using EhrGrains.Fhir.Normalization;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Grains.Tests.Sync;

/// <summary>Copies of patients of every product, held against what the hospital really has.</summary>
public sealed class HospitalSyncTests(SyncHospitals hospitals) : IClassFixture<SyncHospitals>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("epic")]
    [InlineData("oracle-health")]
    [InlineData("athenahealth")]
    [InlineData("meditech")]
    [InlineData("modmed")]
    public async Task A_copy_is_what_the_hospital_has(string vendor)
    {
        var tenant = await hospitals.OpenAsync(vendor);
        var patient = (await hospitals.PatientsAsync(vendor))[0];
        await hospitals.Table.EnrolAsync(tenant, [PatientId.Parse(patient, null)], Ct);

        var status = await hospitals.RunAsync(tenant, patient);

        status.State.ShouldBe(SyncState.Complete, string.Join("; ", status.Types.Where(type => !type.IsComplete).Select(type => $"{type.Type}: {type.Problem?.Code} {type.Problem?.Message}")));
        var record = await hospitals.RecordAsync(tenant, status.Record!.Value);
        var truth = await TruthAsync(vendor, patient);
        truth.Where(one => one.Value && status.Types.Any(type => one.Key.StartsWith(type.Type + "/", StringComparison.Ordinal))).Select(one => one.Key).Except(record.Keys).ShouldBeEmpty();
        record.Keys.Except(truth.Keys).ShouldBeEmpty();
    }

    /// <summary>What the hospital has of the types that are copied, and whether a search finds it.</summary>
    private async Task<Dictionary<string, bool>> TruthAsync(string vendor, string patient)
    {
        var types = VendorProfiles.Find(vendor)!.Sync.Types;
        return (await hospitals.TruthAsync(vendor, patient))["resources"]!.AsArray()
            .Where(resource => types.ContainsKey((string)resource!["type"]!))
            .ToDictionary(resource => $"{resource!["type"]}/{ResourceIds.ToLegal((string)resource["id"]!, out _)}", resource => (bool)resource!["found"]!);
    }
}

namespace EhrGrains.Fhir.Vendors;

/// <summary>The vendor profiles built in.</summary>
public static class VendorProfiles
{
    /// <summary>All profiles, ordered by id.</summary>
    public static IReadOnlyList<VendorProfile> All { get; } = [];

    /// <summary>The profile with the id; null when there is none.</summary>
    public static VendorProfile? Find(string id) => All.FirstOrDefault(p => p.Id == id);
}

using System.Reflection;

namespace EhrGrains.Fhir.Vendors;

/// <summary>The vendor profiles built in: the embedded files <c>Vendors/*.yaml</c>, each read and checked as a whole on first use.</summary>
public static class VendorProfiles
{
    private const string Folder = "EhrGrains.Fhir.Vendors.";

    /// <summary>All profiles, ordered by id.</summary>
    public static IReadOnlyList<VendorProfile> All { get; } = Load();

    /// <summary>The profile with the id; null when there is none.</summary>
    public static VendorProfile? Find(string id) => All.FirstOrDefault(p => p.Id == id);

    private static VendorProfile[] Load()
    {
        var assembly = Assembly.GetExecutingAssembly();
        var names = assembly.GetManifestResourceNames()
            .Where(n => n.StartsWith(Folder, StringComparison.Ordinal) && n.EndsWith(".yaml", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);
        var profiles = new List<VendorProfile>();
        foreach (var name in names)
        {
            using var text = new StreamReader(assembly.GetManifestResourceStream(name)!);
            profiles.Add(ProfileReader.Read(name[Folder.Length..], text));
        }

        return [.. profiles];
    }
}

using System.Collections.Concurrent;
using System.Reflection;
using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Fhir.Vendors;

/// <summary>
/// The vendor profiles built in: the embedded files <c>Vendors/*.yaml</c>, each read and checked as a whole on first use. A site's
/// profile is one of them with what a look at the site found, and over that what the operator stated for it.
/// </summary>
public static class VendorProfiles
{
    private const string Folder = "EhrGrains.Fhir.Vendors.";

    // Sites with a profile of their own; then all are forgotten, for each is read again in some milliseconds.
    private const int SitesMax = 20_000;

    private static readonly Dictionary<string, string> Texts = LoadTexts();
    private static readonly ConcurrentDictionary<(string Vendor, string? Probed, string? Stated), VendorProfile> Sites = new();

    /// <summary>All profiles, ordered by id.</summary>
    public static IReadOnlyList<VendorProfile> All { get; } =
        [.. Texts.OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => ProfileReader.Read($"{t.Key}.yaml", new StringReader(t.Value)))];

    /// <summary>The profile with the id as it is built in; null when there is none.</summary>
    public static VendorProfile? Find(string id) => All.FirstOrDefault(p => p.Id == id);

    /// <summary>The text of a profile as it is built in; null when there is none.</summary>
    public static string? TextOf(string id) => Texts.GetValueOrDefault(id);

    /// <summary>The profile of a site; null when its vendor is not known.</summary>
    /// <param name="connection">The site's connection.</param>
    /// <param name="probed">What a look at the site found (<see cref="TenantSnapshot.ProbedProfile"/>); null: nothing.</param>
    /// <exception cref="ProblemException">With everything that is wrong with what was stated, by path under <c>connection.profile</c>.</exception>
    public static VendorProfile? For(ConnectionSpec connection, string? probed = null)
    {
        ArgumentNullException.ThrowIfNull(connection);
        if (connection.Profile is null && probed is null)
        {
            return Find(connection.Vendor);
        }

        var site = (connection.Vendor, probed, connection.Profile);
        if (!Texts.TryGetValue(connection.Vendor, out var text) || Sites.TryGetValue(site, out var known))
        {
            return Sites.GetValueOrDefault(site);
        }

        if (Sites.Count >= SitesMax)
        {
            Sites.Clear();
        }

        return Sites[site] = Read(connection, text, probed);
    }

    /// <summary>The profile of a snapshot's site, as <see cref="For(ConnectionSpec, string?)"/>.</summary>
    public static VendorProfile? For(TenantSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return For(snapshot.Spec.Connection, snapshot.ProbedProfile);
    }

    // What a look found need not go with what is stated since, or with a newer file: then it counts for nothing until the next look.
    private static VendorProfile Read(ConnectionSpec connection, string text, string? probed)
    {
        var fileName = $"{connection.Vendor}.yaml";
        try
        {
            return ProfileReader.ReadSite(fileName, text, probed, connection.Profile);
        }
        catch (ProblemException) when (probed is not null)
        {
            return ProfileReader.ReadSite(fileName, text, null, connection.Profile);
        }
    }

    private static Dictionary<string, string> LoadTexts()
    {
        var assembly = Assembly.GetExecutingAssembly();
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in assembly.GetManifestResourceNames()
            .Where(n => n.StartsWith(Folder, StringComparison.Ordinal) && n.EndsWith(".yaml", StringComparison.Ordinal)))
        {
            using var text = new StreamReader(assembly.GetManifestResourceStream(name)!);
            texts.Add(name[Folder.Length..^".yaml".Length], text.ReadToEnd());
        }

        return texts;
    }
}

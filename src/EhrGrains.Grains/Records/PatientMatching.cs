using EhrGrains.Contracts.Feeds;
using EhrGrains.Contracts.Records;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.V2;
using EhrGrains.Storage.Records;

namespace EhrGrains.Grains.Records;

/// <summary>
/// Which record a message is about. A hospital's numbers for its patients decide (MR, PI and what has no type), each in the namespace of
/// its assigning authority, or of the feed where none is stated; numbers of others (insurance, driver's licence) only where there is no
/// other. A number that nobody has makes a new record, whose id is derived from the best of them.
/// </summary>
internal sealed class PatientMatching(PatientIdentities identities)
{
    /// <summary>Table 0203: numbers of accounts, visits and claims, which stand in PID-3 now and then, and never tell patients apart.</summary>
    private static readonly HashSet<string> NotOfPatients = new(StringComparer.Ordinal) { "AN", "VN", "ANON", "ANC", "ANT", "FI" };

    /// <summary>Table 0203: numbers that a hospital, or its region, gives to its patients.</summary>
    private static readonly HashSet<string> OfHospital = new(StringComparer.Ordinal) { "MR", "PI", "PT", "EPI", "MRT", "U", "" };

    /// <summary>
    /// The record of each mention, made known if nobody was known by these identifiers; null where there is no identifier.
    /// </summary>
    internal async Task<PatientMatch[]> ResolveAsync(
        TenantId tenant, FeedId feed, IReadOnlyList<PatientMention> mentions, ResourceIdentity identity, CancellationToken cancellationToken)
    {
        var texts = mentions.Select(mention => Texts(mention.Identifiers, feed)).ToArray();
        var all = texts.SelectMany(text => text).Distinct(StringComparer.Ordinal).ToArray();
        while (true)
        {
            var owners = await FindAsync(tenant, all, cancellationToken);
            var bound = new List<(string, PatientId)>();
            var matches = Array.ConvertAll(texts, identifiers => Match(identifiers, owners, bound, identity));
            if (await identities.BindAsync(tenant, bound, cancellationToken))
            {
                return matches;
            }

            // Another feed has named one of them first: whose they are is looked up again.
        }
    }

    /// <summary>The record that identifiers belong to; null: nobody is known by them.</summary>
    internal async Task<IdentifierOwner?> FindAsync(
        TenantId tenant, FeedId feed, IReadOnlyList<MentionedIdentifier> identifiers, CancellationToken cancellationToken)
    {
        var texts = Texts(identifiers, feed);
        var owners = await identities.FindAsync(tenant, texts, cancellationToken);
        return owners.FirstOrDefault(owner => owner is not null);
    }

    /// <summary>Whether a record has been given other identifiers than these.</summary>
    internal Task<bool> HasOthersAsync(
        TenantId tenant, FeedId feed, PatientId patient, IReadOnlyList<MentionedIdentifier> identifiers, CancellationToken cancellationToken) =>
        identities.HasOthersAsync(tenant, patient, Texts(identifiers, feed), cancellationToken);

    /// <summary>Gives identifiers to a record, whoever had them.</summary>
    internal Task RebindAsync(
        TenantId tenant, FeedId feed, IReadOnlyList<MentionedIdentifier> identifiers, PatientId patient, CancellationToken cancellationToken) =>
        identities.RebindAsync(tenant, [.. Texts(identifiers, feed).Select(text => (text, patient))], cancellationToken);

    /// <summary>The identifiers that count, best first, made unambiguous over the tenant.</summary>
    internal static string[] Texts(IReadOnlyList<MentionedIdentifier> identifiers, FeedId feed)
    {
        var ofPatient = identifiers.Where(i => i.Of == IdentifierOf.Patient && !NotOfPatients.Contains(i.Type)).ToArray();
        var ofHospital = ofPatient.Where(i => OfHospital.Contains(i.Type)).Select(i => $"{Namespace(i, feed)}|{i.Value}").Distinct(StringComparer.Ordinal).ToArray();
        return ofHospital.Length > 0
            ? ofHospital
            : [.. ofPatient.Select(i => $"{i.Type}:{Namespace(i, feed)}|{i.Value}").Distinct(StringComparer.Ordinal)];
    }

    private static string Namespace(MentionedIdentifier identifier, FeedId feed) =>
        identifier.System ?? (identifier.Authority.Length > 0 ? $"authority:{identifier.Authority}" : $"feed:{feed}");

    private static PatientMatch Match(
        string[] identifiers, Dictionary<string, IdentifierOwner> owners, List<(string, PatientId)> bound, ResourceIdentity identity)
    {
        if (identifiers.Length == 0)
        {
            return new PatientMatch(null, false);
        }

        var known = identifiers.Where(owners.ContainsKey).Select(text => owners[text]).ToArray();
        var patient = known.Length > 0 ? known[0].Current : PatientId.Parse(identity.IdOf("Patient", identifiers[0]), null);
        foreach (var text in identifiers.Where(text => !owners.ContainsKey(text)))
        {
            owners[text] = new IdentifierOwner(patient, patient);
            bound.Add((text, patient));
        }

        return new PatientMatch(patient, known.Any(owner => owner.Current != patient));
    }

    private async Task<Dictionary<string, IdentifierOwner>> FindAsync(TenantId tenant, string[] identifiers, CancellationToken cancellationToken)
    {
        var found = await identities.FindAsync(tenant, identifiers, cancellationToken);
        var owners = new Dictionary<string, IdentifierOwner>(StringComparer.Ordinal);
        for (var i = 0; i < identifiers.Length; i++)
        {
            if (found[i] is { } owner)
            {
                owners.Add(identifiers[i], owner);
            }
        }

        return owners;
    }
}

/// <summary>Whom a mention is about.</summary>
/// <param name="Patient">The record; null: the mention has no identifier that could tell.</param>
/// <param name="IsDivided">Whether others of its identifiers are another record's.</param>
internal readonly record struct PatientMatch(PatientId? Patient, bool IsDivided);

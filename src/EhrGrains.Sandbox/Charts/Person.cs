using System.Globalization;

namespace EhrGrains.Sandbox.Charts;

/// <summary>Who a synthetic patient is.</summary>
internal sealed record Person(
    string Family, string Given, string Gender, DateTime Birth, string RecordNumber, string Phone, string Email, string Street, int City)
{
    /// <summary>
    /// So many of the first patients are the same people at every hospital, as neighbours' hospitals share patients: they are
    /// drawn without the hospital's name.
    /// </summary>
    public const int Shared = 12;

    public static Person Draw(int seed, string site, int index)
    {
        var random = SplitMix64.For(seed, index < Shared ? $"person/{index}" : $"person/{site}/{index}");
        var woman = random.Chance(52);
        var family = Vocabulary.NameMarker + random.Pick(Vocabulary.FamilyEndings);
        var given = random.Pick(woman ? Vocabulary.WomensNames : Vocabulary.MensNames);
        var birth = Elements.Today.AddDays(-random.Between(20, 96 * 365));

        // The number is the hospital's own, even for a shared person.
        var number = SplitMix64.For(seed, $"record/{site}/{index}").Between(0, 999);
        return new Person(
            family,
            given,
            woman ? "female" : "male",
            birth,
            string.Create(CultureInfo.InvariantCulture, $"{Vocabulary.RecordMarker}{index:D5}{number:D3}"),
            string.Create(CultureInfo.InvariantCulture, $"555-{random.Between(200, 999)}-{random.Between(0, 9999):D4}"),
            string.Create(CultureInfo.InvariantCulture, $"{Vocabulary.NameMarker}.{index}@mail.example"),
            string.Create(CultureInfo.InvariantCulture, $"{random.Between(1, 2999)} {random.Pick(Vocabulary.Streets)}"),
            random.Between(0, Vocabulary.Cities.Length - 1));
    }
}
